// Package unitfile knows how systemd finds and reads unit files: names, search
// folders, drop-ins, and the settings in them. It reads files and nothing else.
//
// Start at [ReadIndex], which walks the unit path once, and [Read], which
// takes the settings of one unit together.
package unitfile

import "strings"

// types are the suffixes of unit names (systemd.unit(5)).
var types = map[string]bool{
	"service": true, "socket": true, "target": true, "timer": true, "path": true,
	"mount": true, "automount": true, "swap": true, "slice": true, "scope": true, "device": true,
}

// Valid reports whether name is a well-formed unit name: a known suffix, at
// most 255 bytes, and only letters, digits and :-_.\@ (systemd.unit(5)).
func Valid(name string) bool {
	stem, kind := Split(name)
	if stem == "" || !types[kind] || len(name) > 255 || strings.HasPrefix(stem, "@") {
		return false
	}
	for i := range len(stem) {
		c := stem[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune(`:-_.\@`, rune(c)) {
			return false
		}
	}
	return true
}

// IsRefused reports whether a file would define a unit if systemd took its name: it ends as
// the names of units do, and is none.
func IsRefused(file string) bool {
	_, kind := Split(file)
	return types[kind] && !Valid(file)
}

// Split parts "web@one.service" into "web@one" and "service".
func Split(name string) (stem, kind string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

// Template gives the template of an instance, "web@.service" for
// "web@one.service", or "" for any other name.
func Template(name string) string {
	stem, kind := Split(name)
	prefix, instance, ok := strings.Cut(stem, "@")
	if !ok || instance == "" {
		return ""
	}
	return prefix + "@." + kind
}

// IsTemplate reports whether name is a template, as "web@.service" is.
func IsTemplate(name string) bool {
	stem, _ := Split(name)
	return strings.HasSuffix(stem, "@") && strings.Count(stem, "@") == 1
}

// Resolve returns the unit that a file or link of owner means by name. A
// template's name means its instance of the owner's instance, or else of the
// owner's prefix (resolve_template in systemd): "h@.service" in web.service
// means h@web.service.
func Resolve(owner, name string) string {
	if !IsTemplate(name) {
		return name
	}
	stem, _ := Split(owner)
	prefix, instance, _ := strings.Cut(stem, "@")
	if instance == "" {
		instance = prefix
	}
	before, after, _ := strings.Cut(name, "@")
	return before + "@" + instance + after
}

// NameSpecifiers are the specifiers that follow from a unit's name alone.
func NameSpecifiers(name string) Specifiers {
	stem, _ := Split(name)
	prefix, instance, _ := strings.Cut(stem, "@")
	return Specifiers{'n': name, 'N': stem, 'p': prefix, 'i': instance}
}

// dropInFolders lists the folders below one search folder whose *.conf files
// alter the unit, most specific first: NAME.d, then its template's, then those
// of each dash-prefix (unit_file_find_dirs in systemd). The type's own folder
// is not among them: systemd reads it after all others.
func dropInFolders(name string) []string {
	folders := []string{name + ".d"}
	if t := Template(name); t != "" {
		folders = append(folders, dropInFolders(t)...)
	}
	if shorter := dashPrefix(name); shorter != "" {
		folders = append(folders, dropInFolders(shorter)...)
	}
	return folders
}

// QuadletDropIns lists the names of the folders whose *.conf files alter a quadlet,
// web-app.container, most specific first: web-app.container.d, web-.container.d and
// container.d.
func QuadletDropIns(name string) []string {
	_, kind := Split(name)
	return append(dropInFolders(name), kind+".d")
}

// dashPrefix cuts the last dash-part of a name: "foo-.service" for
// "foo-bar.service" and "foo-bar@.service", "foo-@x.service" for
// "foo-bar@x.service"; "" where there is none left.
func dashPrefix(name string) string {
	stem, kind := Split(name)
	prefix, instance, _ := strings.Cut(stem, "@")
	i := strings.LastIndexByte(strings.TrimSuffix(prefix, "-"), '-')
	if i <= 0 {
		return ""
	}
	if instance != "" {
		instance = "@" + instance
	}
	return prefix[:i+1] + instance + "." + kind
}
