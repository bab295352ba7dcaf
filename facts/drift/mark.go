package drift

import (
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// Mark sets Effective, Loaded and ChangedAfterLoad of all files. Files of one role must be
// in the order in which systemd searches them. known has the loaded files as an earlier
// audit recorded them, or nil.
func (u *Unit) Mark(known *facts.Load) {
	taken := map[string]bool{}
	for i := range u.Files {
		f := &u.Files[i]
		place := f.place()
		f.Effective = f.isUsable() && !taken[place] && !u.ignoresLink(*f)
		taken[place] = taken[place] || f.takesPlace()
		f.Loaded = u.isLoaded(*f)
		f.ChangedAfterLoad = u.isChangedAfterLoad(*f, known)
	}
	if slices.ContainsFunc(u.Files, File.OutranksGenerators) {
		for i, f := range u.Files {
			isSource := f.Role == facts.RoleSource || f.Role == facts.RoleSourceDropIn
			u.Files[i].Effective = f.Effective && !isSource
		}
	}
}

// OutranksGenerators reports whether the file, also a mask, hides the unit that is generated
// from a quadlet (systemd.unit(5), "UNIT FILE LOAD PATH").
func (f File) OutranksGenerators() bool {
	above := []string{facts.OriginUser, facts.OriginControl, facts.OriginEtc, facts.OriginRuntime}
	return f.Role == facts.RoleFragment && f.Effective && slices.Contains(above, f.Origin)
}

// place names what only one file can be: the fragment, the source, or the link of one name in
// the folders of one owner.
func (f File) place() string {
	if f.isLink() {
		return f.Role + " " + f.Of + " " + filepath.Base(f.Path)
	}
	return f.Role + " " + f.Of
}

// takesPlace reports whether no later file of the role, or in the owner's link
// folders, counts.
func (f File) takesPlace() bool {
	switch {
	case f.Role == facts.RoleFragment:
		return f.Effective
	case f.Role == facts.RoleSource:
		return true // the next one is where it was loaded from
	}
	return f.isLink() && f.exists() // a mask too
}

// isUsable reports whether systemd would use the file if no other file came first. In a
// folder of links it ignores files that are not links, and a link to /dev/null masks.
func (f File) isUsable() bool {
	switch {
	case !f.exists() || f.Hidden:
		return false
	case f.Role == facts.RoleFragment:
		return f.Kind != unitfile.Directory
	case f.isLink():
		return f.Kind == unitfile.Symlink && f.Target != "/dev/null"
	}
	return true
}

// ignoresLink reports whether the manager does not read the folder that the link is in.
func (u *Unit) ignoresLink(f File) bool {
	return u.Manager.NoUphold && f.isLink() && strings.HasSuffix(f.Role, "upholds")
}

// isLoaded reports whether the manager says that it has read the file.
func (u *Unit) isLoaded(f File) bool {
	switch f.Role {
	case facts.RoleFragment:
		return f.Path == u.Loaded.FragmentPath
	case facts.RoleDropIn:
		return slices.Contains(u.Loaded.DropInPaths, f.Path)
	case facts.RoleSource:
		return f.Path == u.Loaded.SourcePath
	case facts.RoleSourceDropIn: // the generator merged all drop-ins that existed
		names := unitfile.QuadletDropIns(filepath.Base(u.Loaded.SourcePath))
		isReplaced := f.exists() && f.Hidden
		return !isReplaced && u.Loaded.SourcePath != "" && slices.Contains(names, filepath.Base(filepath.Dir(f.Path)))
	}
	if f.IsOwnLink() {
		return slices.Contains(u.pulledIn(f.Role), f.Of)
	}
	return u.Manager.Loaded[f.Of] && slices.Contains(u.pulledInBy(f.Role), f.Of)
}

// isChangedAfterLoad reports whether the file may have changed since the load. The record
// of an earlier audit decides or, without one, the time of the change.
func (u *Unit) isChangedAfterLoad(f File, known *facts.Load) bool {
	if u.wasJustRead(f) {
		return false
	}
	if known != nil && known.LoadedAt.Equal(u.Manager.LoadedAt) && f.Defines() && f.Loaded {
		i := slices.IndexFunc(known.Files, func(l facts.LoadedFile) bool { return l.Path == f.Path })
		if i >= 0 {
			return known.Files[i].Digest != f.Digest
		}
	}
	return f.ChangedAt != nil && u.Manager.IsAfterLoad(*f.ChangedAt)
}
