package collect

import (
	"path/filepath"
	"strings"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/glob"
	"stackpolicy/internal/unitfile"
)

// quadletSuffixes: the unit that a quadlet source NAME.KIND becomes is
// NAME<suffix>.service (podman-systemd.unit(5)), of a template too: data@.volume
// becomes data@-volume.service.
var quadletSuffixes = map[string]string{
	"container": "", "kube": "", "volume": "-volume", "network": "-network",
	"pod": "-pod", "image": "-image", "build": "-build", "artifact": "-artifact",
}

// quadletUnit returns the name of the unit that a quadlet source becomes; "" if the path is
// not a quadlet source.
func quadletUnit(path string) string {
	stem, kind := unitfile.Split(filepath.Base(path))
	suffix, ok := quadletSuffixes[kind]
	if !ok || stem == "" {
		return ""
	}
	return stem + suffix + ".service"
}

// quadletUnits names the unit of each declared quadlet source: ServiceName= in
// the section named for its kind replaces the name that follows from the file.
func quadletUnits(dir string, declared map[string]string) map[string]string {
	units := map[string]string{}
	for path, target := range declared {
		name := quadletUnit(path)
		if name == "" || !within(path, dir) {
			continue
		}
		units[path] = name
		settings, err := unitfile.Read([]string{target})
		if err != nil {
			continue // the file's own state says why
		}
		_, kind := unitfile.Split(path)
		section := strings.ToUpper(kind[:1]) + kind[1:]
		if v, ok := settings.Last(section + ".ServiceName"); ok && v != "" {
			units[path] = v + ".service"
		}
	}
	return units
}

// managedUnits returns who manages each managed unit. Home Manager goes before the
// configuration. known has the names on disk and in the manager's memory; it is empty if
// they could not be collected.
func managedUnits(env Environment, declared declaration, known []string) (map[string]string, []facts.Pattern) {
	managed := map[string]string{}
	patterns := byConfiguration(env.Config, known, managed)
	for path := range declared.files {
		switch filepath.Dir(path) {
		case env.UnitDir():
			if name := filepath.Base(path); unitfile.Valid(name) {
				managed[name] = facts.ByHomeManager
			}
		default:
			if name := declared.quadlets[path]; name != "" {
				managed[name] = facts.ByHomeManager
			}
		}
	}
	for _, name := range known { // an instance is managed if its template is
		if by := managed[unitfile.Template(name)]; by != "" && managed[name] == "" {
			managed[name] = by
		}
	}
	return managed, patterns
}

func byConfiguration(c config.Config, known []string, managed map[string]string) []facts.Pattern {
	patterns := []facts.Pattern{}
	for _, p := range c.Units {
		matched := 0
		for _, name := range known {
			if glob.Match(p, name) {
				managed[name] = facts.ByConfig
				matched++
			}
		}
		if matched == 0 && unitfile.Valid(p) { // a plain name that does not exist is a unit that should exist
			managed[p] = facts.ByConfig
			matched = 1
		}
		patterns = append(patterns, facts.Pattern{Pattern: p, Matched: matched})
	}
	for _, s := range c.Stacks {
		managed[s.Unit] = facts.ByConfig
	}
	return patterns
}

// stackOf returns the name of the configured stack of a unit; "" if it has none.
func stackOf(stacks map[string]config.Stack, unit string) string {
	for name, s := range stacks {
		if s.Unit == unit {
			return name
		}
	}
	return ""
}
