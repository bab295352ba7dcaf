package drift

import (
	"slices"

	"stackpolicy/internal/unitfile"
)

// Fragments lists the paths that can define a unit, in the order in which systemd
// searches them. After the files on disk come the path where the definition is expected
// (or "") and the path that it was loaded from, although they do not exist.
func Fragments(onDisk []string, expected, loaded string) []string {
	return withMissing(onDisk, expected, loaded)
}

// Sources lists the paths that a quadlet can come from: where it is declared,
// then where it was loaded from.
func Sources(declared []string, loaded string) []string {
	return withMissing(declared, loaded)
}

// DropIns adds the drop-ins that are loaded or declared but not on disk.
func DropIns(onDisk []unitfile.DropIn, loaded, declared []string) []unitfile.DropIn {
	all := slices.Clone(onDisk)
	for _, path := range slices.Concat(loaded, declared) {
		if !slices.ContainsFunc(all, func(d unitfile.DropIn) bool { return d.Path == path }) {
			all = append(all, unitfile.DropIn{Path: path, Masked: true})
		}
	}
	return all
}

// Links adds the links that are declared but not on disk.
func Links(onDisk, declared []unitfile.Link) []unitfile.Link {
	return withMissing(onDisk, declared...)
}

// withMissing adds the paths of more that are not empty and not yet in the list.
func withMissing[T comparable](there []T, more ...T) []T {
	var empty T
	all := slices.Clone(there)
	for _, x := range more {
		if x != empty && !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}
