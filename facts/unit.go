package facts

import "slices"

// IsManaged reports whether rules judge the unit. Every other unit is only
// recorded.
func (u Unit) IsManaged() bool { return u.ManagedBy != "" }

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
