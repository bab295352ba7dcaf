// Package diff3 merges two edited versions of a text, line by line, as diff3 -m and git
// merge-file do.
//
// Start at [Merge].
package diff3

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// The marks of a conflict, each at the beginning of a line.
const (
	markMine   = "<<<<<<< "
	markMiddle = "======="
	markTheirs = ">>>>>>> "
)

// Merge takes the changes that mine and theirs have made of base. Where both changed the same
// lines, or lines without one between them, in two ways, it keeps both, with marks that have
// the two names. It returns how many such conflicts there are. A last line without an end gets
// one, unless the result is one of the three texts.
func Merge(base, mine, theirs []byte, nameMine, nameTheirs string) (text []byte, conflicts int) {
	switch {
	case bytes.Equal(mine, base):
		return theirs, 0
	case bytes.Equal(theirs, base), bytes.Equal(theirs, mine):
		return mine, 0
	}
	return merge(lines(base), lines(mine), lines(theirs), nameMine, nameTheirs)
}

func merge(base, mine, theirs []string, nameMine, nameTheirs string) (text []byte, conflicts int) {
	toMine, toTheirs := matches(base, mine), matches(base, theirs)
	var out []string
	b, m, t := 0, 0, 0
	for b < len(base) || m < len(mine) || t < len(theirs) {
		if b < len(base) && toMine[b] == m && toTheirs[b] == t {
			out = append(out, base[b])
			b, m, t = b+1, m+1, t+1
			continue
		}
		// The next line that all three have.
		nextB := b
		for nextB < len(base) && (toMine[nextB] < 0 || toTheirs[nextB] < 0) {
			nextB++
		}
		nextM, nextT := len(mine), len(theirs)
		if nextB < len(base) {
			nextM, nextT = toMine[nextB], toTheirs[nextB]
		}
		was, ours, new := base[b:nextB], mine[m:nextM], theirs[t:nextT]
		switch {
		case slices.Equal(ours, was):
			out = append(out, new...)
		case slices.Equal(new, was), slices.Equal(new, ours):
			out = append(out, ours...)
		default:
			conflicts++
			out = slices.Concat(out, []string{markMine + nameMine + "\n"}, ours, []string{markMiddle + "\n"}, new, []string{markTheirs + nameTheirs + "\n"})
		}
		b, m, t = nextB, nextM, nextT
	}
	return []byte(strings.Join(out, "")), conflicts
}

// lines returns the lines of a text, each with its end.
func lines(text []byte) []string {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(slices.Clip(text), '\n')
	}
	return slices.Collect(strings.Lines(string(text)))
}

// matches returns for each line of a which line of b is the same, or -1. It reads that from a
// unified diff, which takes O(n log n) time.
func matches(a, b []string) []int {
	to := make([]int, len(a))
	i, j := 0, 0
	same := func(n int) {
		for range n {
			to[i] = j
			i, j = i+1, j+1
		}
	}
	unified := diff.Diff("a", []byte(strings.Join(a, "")), "b", []byte(strings.Join(b, "")))
	for n, line := range slices.Collect(strings.Lines(string(unified))) {
		switch {
		case n < 3: // diff a b, --- a, +++ b
		case line[0] == '@': // @@ -first,count +first,count @@
			first := 0
			_, _ = fmt.Sscanf(line, "@@ -%d,", &first) // 0 if a is empty
			same(first - 1 - i)
		case line[0] == ' ':
			same(1)
		case line[0] == '-':
			to[i] = -1
			i++
		default:
			j++
		}
	}
	same(len(a) - i)
	return to
}

// Marked returns the line, the first is 1, of the first mark of a conflict that is still in a
// text; 0 without one.
func Marked(text []byte) int {
	text = append([]byte("\n"), text...)
	first := -1
	for _, mark := range []string{markMine, markTheirs} {
		if at := bytes.Index(text, []byte("\n"+mark)); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return bytes.Count(text[:first+1], []byte("\n"))
}
