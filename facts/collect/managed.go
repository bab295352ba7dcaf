package collect

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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

// quadletUnits names the unit of each declared quadlet source, and of those in the folder
// whose unit the configuration manages: there the folder is the declaration.
func quadletUnits(dir string, declared map[string]string, c config.Config) (map[string]string, error) {
	units := map[string]string{}
	for path, target := range declared {
		if within(path, dir) {
			units[path] = unitOfSource(path, target)
		}
	}
	if len(c.Units) > 0 || len(c.Stacks) > 0 {
		left := maxSources
		onDisk, err := sourcesIn(dir, 0, &left)
		if err != nil {
			return nil, fmt.Errorf("list the quadlets: %w", err)
		}
		for _, path := range onDisk {
			if name := unitOfSource(path, path); units[path] == "" && isConfigured(c, name) {
				units[path] = name
			}
		}
	}
	maps.DeleteFunc(units, func(_, name string) bool { return name == "" })
	return units, nil
}

const (
	maxSources = 2000 // files in one folder of quadlets, and such folders
	maxDepth   = 4    // of folders in it
)

// sourcesIn lists the quadlet sources in a folder and the folders in it. left is how many
// folders more may be read.
func sourcesIn(dir string, depth int, left *int) ([]string, error) {
	if *left--; *left < 0 {
		return nil, tooManyFolders(dir)
	}
	names, err := unitfile.Entries(dir, maxSources)
	if err != nil || depth == maxDepth {
		return nil, err
	}
	var sources []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		if quadletUnit(path) != "" {
			sources = append(sources, path)
			continue
		}
		if info, err := os.Lstat(path); err != nil || !info.IsDir() {
			continue
		}
		more, err := sourcesIn(path, depth+1, left)
		if err != nil {
			return nil, err
		}
		sources = append(sources, more...)
	}
	return sources, nil
}

func tooManyFolders(dir string) error {
	return fmt.Errorf("%s: more than %d folders of quadlets; move what are no quadlets elsewhere", dir, maxSources)
}

// unitOfSource returns the name of the unit that a source becomes; "" if it is not a quadlet
// source. ServiceName= in the section named for its kind replaces the name that follows
// from the file. target is where the file is read.
func unitOfSource(path, target string) string {
	name := quadletUnit(path)
	if name == "" {
		return ""
	}
	settings, err := unitfile.Read([]string{target})
	if err != nil {
		return name // the file's own state says why
	}
	_, kind := unitfile.Split(path)
	section := strings.ToUpper(kind[:1]) + kind[1:]
	if v, ok := settings.Last(section + ".ServiceName"); ok && v != "" {
		return v + ".service"
	}
	return name
}

// isConfigured reports whether the configuration manages a unit.
func isConfigured(c config.Config, unit string) bool {
	return stackOf(c.Stacks, unit) != "" || slices.ContainsFunc(c.Units, func(p string) bool { return glob.Match(p, unit) })
}

// managedUnits returns who manages each managed unit. Home Manager goes before the
// configuration. known has the names on disk and in the manager's memory; it is empty if
// they could not be collected. Those of quadlets are added: one that was not read, or was
// refused, has no unit yet. A pattern does not mean those that are foreign.
func managedUnits(env Environment, declared declaration, known []string, foreign func(string) bool) (map[string]string, []facts.Pattern) {
	managed := map[string]string{}
	ofQuadlets := slices.Sorted(maps.Values(declared.quadlets))
	known = slices.Concat(known, ofQuadlets)
	slices.Sort(known)
	known = slices.Compact(known)
	patterns := byConfiguration(env.Config, known, func(name string) bool {
		_, isQuadlet := slices.BinarySearch(ofQuadlets, name) // it may be refused, and only named by others
		return !isQuadlet && foreign(name)
	}, managed)
	for path := range declared.files {
		switch filepath.Dir(path) {
		case env.UnitDir(), env.DataUnitDir():
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

func byConfiguration(c config.Config, known []string, foreign func(string) bool, managed map[string]string) []facts.Pattern {
	patterns := []facts.Pattern{}
	for _, p := range c.Units {
		matched := 0
		for _, name := range known {
			if glob.Match(p, name) && (p == name || !foreign(name)) {
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

// goneUnits returns the units that a pattern matched before, and that no longer exist. A
// pattern that matches nothing any more is reported as such. onDisk reports whether a unit has
// a definition on disk, also as an alias.
func goneUnits(memory remembered, managed map[string]string, patterns []facts.Pattern, onDisk func(string) bool, now time.Time) (gone []facts.GoneUnit) {
	if memory.memory == nil {
		return nil
	}
	since := map[string]time.Time{}
	for unit, h := range memory.memory.Subjects {
		if h.Load != nil { // the last audit saw its files
			since[unit] = now
		}
	}
	maps.Copy(since, memory.memory.Gone)
	for _, unit := range slices.Sorted(maps.Keys(since)) {
		i := slices.IndexFunc(patterns, func(p facts.Pattern) bool { return p.Matched > 0 && glob.Match(p.Pattern, unit) })
		if i >= 0 && managed[unit] == "" && !onDisk(unit) {
			gone = append(gone, facts.GoneUnit{Unit: unit, Pattern: patterns[i].Pattern, Since: since[unit]})
		}
	}
	return gone
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
