package facts

import (
	"slices"

	"stackpolicy/internal/unitfile"
)

// reload foretells a daemon-reload for one unit. A file that is loaded and
// unchanged since is no news to the manager, whatever it is; a declared file
// that is loaded and gone from disk would be lost.
func (v *view) reload() *Reload {
	r := &Reload{LoadsUndeclared: []string{}, DropsDeclared: []string{}}
	if v.justRead || v.unit.Loaded.LoadState == "not-found" && v.unit.Loaded.FragmentPath == "" && !v.readsAnything() {
		return r
	}
	for _, f := range v.files {
		if v.news(f) {
			r.LoadsUndeclared = append(r.LoadsUndeclared, f.Path)
		}
		if f.Loaded && v.lost(f) {
			r.DropsDeclared = append(r.DropsDeclared, f.Path)
		}
	}
	slices.Sort(r.LoadsUndeclared)
	slices.Sort(r.DropsDeclared)
	return r
}

func (v *view) readsAnything() bool {
	return slices.ContainsFunc(v.files, func(f File) bool { return f.Effective && f.Of == "" })
}

// news: a reload would read an undeclared file that is not loaded as it is.
func (v *view) news(f File) bool {
	trusted := f.State == stateDeclared || f.State == stateIdentical || f.State == stateGenerated
	if trusted || !f.Effective || f.Loaded && !f.ChangedAfterLoad {
		return false
	}
	if f.Of == "" {
		return true
	}
	_, ownerLoaded := v.listed[f.Of]
	return ownerLoaded && f.Target != "" && (f.Origin == originUser || f.Origin == originControl)
}

// lost: it is declared, and a reload would find nothing to read in its place.
func (v *view) lost(f File) bool {
	gone := []string{stateMissing, stateDangling, stateDirectory, stateUnreadable}
	declared := f.DeclaredTarget != "" || slices.Contains(gone, f.State)
	return declared && (f.Kind == unitfile.Missing || f.Target == "" || slices.Contains(gone, f.State))
}
