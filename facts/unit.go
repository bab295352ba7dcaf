package facts

import "slices"

// IsManaged reports whether rules judge the unit. Every other unit is only
// recorded.
func (u Unit) IsManaged() bool { return u.ManagedBy != "" }

// IsOrphan reports whether a Home Manager generation other than the current one
// left the unit: nothing manages it, and a link of it leads into that generation.
func (u Unit) IsOrphan() bool {
	return !u.IsManaged() && slices.ContainsFunc(u.Files, func(f File) bool { return f.State == StateOther })
}

// Subjects returns the names of the units that a finding may be about: those
// that are managed, orphans, and those that have no unit file any more.
func (d *Document) Subjects() []string {
	var names []string
	for i := range d.Units {
		if u := &d.Units[i]; u.IsManaged() || u.IsOrphan() {
			names = append(names, u.Name)
		}
	}
	if d.Manager != nil {
		names = append(names, d.Manager.FailedNoFile...)
		names = append(names, d.Manager.RunningNoFile...)
	}
	return names
}

// Stale says that the manager may run the unit by another definition than the
// one on disk.
func (u Unit) Stale() bool {
	if u.Loaded == nil || u.Loaded.NeedDaemonReload || len(u.Loaded.Differs) > 0 {
		return true
	}
	return slices.ContainsFunc(u.Files, func(f File) bool {
		return f.Defines() && (f.Effective != f.Loaded || f.ChangedAfterLoad)
	})
}

// Defines: a fragment that podman's generator wrote is new at each reload, and
// what it came from stands beside it.
func (f File) Defines() bool {
	roles := []string{RoleFragment, RoleDropIn, RoleSource, RoleSourceDropIn}
	return slices.Contains(roles, f.Role) && f.State != StateGenerated
}
