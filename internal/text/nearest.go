package text

import "strings"

// mostEdits is how many letters a misspelt name may have wrong.
const mostEdits = 3

// Nearest returns the name of known that s probably means; "" if none is similar. A name that
// differs only after its last dot is similar too. In a name without a dot that of a unit's
// type was left out.
func Nearest(s string, known []string) string {
	nearest, least := "", mostEdits+1
	for _, name := range known {
		whole := name
		if !strings.Contains(s, ".") {
			whole, _, _ = strings.Cut(name, ".")
		}
		if d := edits(s, whole, least); d < least && 2*d < len(s) {
			nearest, least = name, d
		}
	}
	if nearest != "" {
		return nearest
	}
	stem := s[:strings.LastIndexByte(s, '.')+1]
	for _, name := range known {
		if stem != "" && strings.HasPrefix(name, stem) && !strings.Contains(name[len(stem):], ".") {
			return name
		}
	}
	return ""
}

// Known is the end of an error about an unknown name s: the name that it probably means, and
// all known names.
func Known(s string, known []string) string {
	all := "known: " + strings.Join(known, ", ")
	if nearest := Nearest(s, known); nearest != "" {
		return "did you mean " + nearest + "? " + all
	}
	return all
}

// edits returns how many bytes have to be inserted, removed, replaced or swapped with the next
// one to make b of a; limit if it is that many or more.
func edits(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1) // the rows for i-2 and i-1
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return min(last[len(b)], limit)
}
