package collect

import (
	"maps"
	"os"
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// scope decides which units belong in the document, and has what is known of them without
// the manager.
type scope struct {
	env      Environment
	only     selection
	named    string // the one unit of the document, whether it is managed or not; "" if there is no such unit
	memory   remembered
	declared declaration
}

// names returns the units of the document: the managed units, and the other units in the
// user's own unit folder.
func (s scope) names(index *unitfile.Index, managed map[string]string) []string {
	if s.named != "" {
		return []string{s.named}
	}
	names := slices.Collect(maps.Keys(managed))
	if index != nil {
		names = append(names, index.In(s.env.UnitDir())...)
	}
	slices.Sort(names)
	return s.only.of(slices.Compact(names))
}

// foreign returns a function that reports whether a unit is not the user's: its files are the
// distribution's, also where the user masks it, or systemd has made it without a file, or only knows its name. One that an
// audit has seen managed is the user's: its file may be gone.
func (s scope) foreign(index *unitfile.Index, listed map[string]systemd.Listed) func(string) bool {
	return func(name string) bool {
		if index == nil || s.memory.hasSeen(name) {
			return false
		}
		paths := index.Fragments(name)
		if len(paths) == 0 {
			_, kind := unitfile.Split(name)
			l, isListed := listed[name]
			return slices.Contains([]string{"device", "mount", "scope", "slice", "swap"}, kind) ||
				isListed && l.LoadState == "not-found" && l.ActiveState == "inactive"
		}
		isDistribution := func(path string) bool { return s.env.origin(path) == facts.OriginDistribution }
		return slices.ContainsFunc(paths, isDistribution) && !slices.ContainsFunc(paths, func(path string) bool { return !isDistribution(path) && !isMask(path) })
	}
}

func isMask(path string) bool {
	to, err := os.Readlink(path)
	return err == nil && to == os.DevNull
}

// namesAlone returns the names of the units, for a manager that could not be asked.
func (s scope) namesAlone() loadedUnits {
	var l loadedUnits
	l.managed, _ = managedUnits(s.env, s.declared, nil, s.foreign(nil, nil))
	for _, name := range s.names(nil, l.managed) {
		l.units = append(l.units, s.unit(name, l))
	}
	return l
}

// unit returns one unit of the document, as loaded. Later collectors add the rest.
func (s scope) unit(name string, l loadedUnits) facts.Unit {
	u := facts.Unit{
		Name: name, ManagedBy: l.managed[name], Template: unitfile.IsTemplate(name), Stack: stackOf(s.env.Config.Stacks, name),
		Files: []facts.File{}, Containers: []facts.Container{}, Services: []facts.Service{},
		Probes: []facts.Probe{}, History: s.memory.of(name),
	}
	loaded, ok := l.loaded[name]
	if ok {
		u.Loaded = loadedFrom(loaded)
		u.Loaded.Job = l.listed[name].Job
		u.Loaded.WantedBy, u.Loaded.TriggeredBy, u.Loaded.RequirementsDown = pulls(loaded, l.listed)
		u.Loaded.FragmentOrigin = s.declared.origin(s.env, loaded.FragmentPath)
	}
	u.Quadlet = ok && u.Loaded.FragmentOrigin == facts.OriginGenerator && quadletUnit(loaded.SourcePath) != ""
	for _, unit := range s.declared.quadlets {
		u.Quadlet = u.Quadlet || unit == name
	}
	return u
}
