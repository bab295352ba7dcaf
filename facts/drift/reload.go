package drift

import (
	"slices"

	"stackpolicy/facts"
)

// Reload predicts what a daemon-reload would do to the unit, apart from reading declared
// files. A file that is loaded and unchanged has no effect, declared or not.
func (u *Unit) Reload() facts.Reload {
	r := facts.Reload{LoadsUndeclared: []string{}, DropsDeclared: []string{}}
	if u.hasNoDefinition() {
		return r
	}
	for _, f := range u.Files {
		if u.wasJustRead(f) && (!f.isLink() || f.IsOwnLink()) { // a link of another unit was read with that unit
			continue
		}
		if u.wouldLoadUndeclared(f) {
			r.LoadsUndeclared = append(r.LoadsUndeclared, f.Path)
		}
		if f.Loaded && (f.isDeclaredAndUnusable() || u.isHidden(f)) {
			r.DropsDeclared = append(r.DropsDeclared, f.Path)
		}
	}
	slices.Sort(r.LoadsUndeclared)
	slices.Sort(r.DropsDeclared)
	return r
}

// hasNoDefinition reports whether the unit has none, neither loaded nor on disk.
func (u *Unit) hasNoDefinition() bool {
	onDisk := slices.ContainsFunc(u.Files, func(f File) bool { return f.Effective && !f.isLink() })
	return u.Loaded.LoadState == "not-found" && u.Loaded.FragmentPath == "" && !onDisk
}

// wouldLoadUndeclared reports whether a reload would read the file although it is not
// declared, and not already loaded with this content.
func (u *Unit) wouldLoadUndeclared(f File) bool {
	trusted := f.isDeclared() || f.State == facts.StateGenerated
	if trusted || !f.Effective || f.Loaded && !f.ChangedAfterLoad {
		return false
	}
	if !f.isLink() {
		return true
	}
	if f.IsOwnLink() {
		return !f.Loaded && f.Origin != facts.OriginDistribution // whatever it is: the name is what counts
	}
	byUser := f.Origin == facts.OriginUser || f.Origin == facts.OriginControl
	return byUser && u.Manager.Loaded[f.Of] && f.Target != ""
}

// isHidden reports whether the file is a declared link that does nothing, because of what is
// in the same place of a folder that is searched before.
func (u *Unit) isHidden(f File) bool {
	if !f.isLink() || !f.isDeclared() || f.Effective {
		return false
	}
	i := slices.IndexFunc(u.Files, func(g File) bool { return g.place() == f.place() && g.takesPlace() })
	return i >= 0 && !u.Files[i].Effective && !u.Files[i].isDeclared()
}

// isDeclaredAndUnusable reports whether the file is declared but a reload could not read
// anything at its path, or would make no unit from it.
func (f File) isDeclaredAndUnusable() bool {
	if f.Refused {
		return true
	}
	unusable := slices.Contains([]string{
		facts.StateMissing, facts.StateDangling, facts.StateDirectory, facts.StateUnreadable,
	}, f.State)
	return unusable || f.DeclaredTarget != "" && (!f.exists() || f.Target == "")
}
