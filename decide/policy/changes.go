package policy

import (
	"bytes"
	"slices"
	"strings"
)

// Changes returns what differs between two sets of files: the ids of invariants, and the names
// of other files; sorted.
func Changes(before, after []File) []string {
	var names []string
	for _, side := range [][2][]File{{before, after}, {after, before}} {
		for _, f := range side[0] {
			same := slices.ContainsFunc(side[1], func(g File) bool { return g.Name == f.Name && bytes.Equal(g.Text, f.Text) })
			if !same {
				names = append(names, nameOf(f.Name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nameOf returns the id of the invariant that a file belongs to, or the file's name.
func nameOf(file string) string {
	if parts := strings.Split(file, "/"); len(parts) == 3 && parts[0] == "invariants" {
		return parts[1]
	}
	return file
}
