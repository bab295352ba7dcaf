package collect

import (
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// reload foretells a daemon-reload for one unit. A file that is loaded and
// unchanged since is no news to the manager, whatever it is; a declared file
// that is loaded and gone from disk would be lost.
func (v *view) reload() *facts.Reload {
	r := &facts.Reload{LoadsUndeclared: []string{}, DropsDeclared: []string{}}
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
	return slices.ContainsFunc(v.files, func(f facts.File) bool { return f.Effective && f.Of == "" })
}

// news: a reload would read an undeclared file that is not loaded as it is.
func (v *view) news(f facts.File) bool {
	trusted := f.State == facts.StateDeclared || f.State == facts.StateIdentical || f.State == facts.StateGenerated
	if trusted || !f.Effective || f.Loaded && !f.ChangedAfterLoad {
		return false
	}
	if f.Of == "" {
		return true
	}
	_, ownerLoaded := v.listed[f.Of]
	return ownerLoaded && f.Target != "" && (f.Origin == facts.OriginUser || f.Origin == facts.OriginControl)
}

// lost: it is declared, and a reload would find nothing to read in its place.
func (v *view) lost(f facts.File) bool {
	gone := []string{facts.StateMissing, facts.StateDangling, facts.StateDirectory, facts.StateUnreadable}
	declared := f.DeclaredTarget != "" || slices.Contains(gone, f.State)
	return declared && (f.Kind == unitfile.Missing || f.Target == "" || slices.Contains(gone, f.State))
}
