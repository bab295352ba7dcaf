package text

import "strings"

// mostEdits is how many letters a misspelt name may have wrong.
const mostEdits = 3

// Nearest returns the name of known that s probably means; "" if none is similar. A name that
// differs only after its last dot is similar too.
func Nearest(s string, known []string) string {
	nearest, least := "", mostEdits+1
	for _, name := range known {
		if d := edits(s, name, least); d < least && 2*d < len(s) {
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

// edits returns how many bytes have to be inserted, removed or replaced to make b of a; limit
// if it is that many or more.
func edits(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return min(row[len(b)], limit)
}
