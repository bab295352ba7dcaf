package facts

import (
	"maps"
	"slices"
)

// IsManaged reports whether rules judge the unit. Every other unit is only
// recorded.
func (u Unit) IsManaged() bool { return u.ManagedBy != "" }

// IsOrphan reports whether a Home Manager generation other than the current one
// left the unit: it is not managed, and one of its links leads into that generation.
func (u Unit) IsOrphan() bool {
	return !u.IsManaged() && slices.ContainsFunc(u.Files, func(f File) bool { return f.State == StateOther })
}

// Subjects returns the names of the units that a finding may be about: managed units,
// orphans, units that no longer have a unit file, and those on which actions ran.
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
	if d.History != nil {
		names = slices.AppendSeq(names, maps.Keys(d.History.Others))
	}
	return names
}

// Stale means that the manager may run the unit with another definition than the one on
// disk.
func (u Unit) Stale() bool {
	if u.Loaded == nil || u.Loaded.NeedDaemonReload || len(u.Loaded.Differs) > 0 {
		return true
	}
	return slices.ContainsFunc(u.Files, func(f File) bool {
		return f.Defines() && (f.Effective != f.Loaded || f.ChangedAfterLoad)
	})
}

// IsTrusted reports whether the file is what is declared, or was generated from
// what is.
func (f File) IsTrusted() bool {
	return slices.Contains([]string{StateDeclared, StateIdentical, StateGenerated}, f.State)
}

// IsOwnLink reports whether the file is a link in a .wants, .requires or .upholds
// folder of the unit itself, which pulls in another unit.
func (f File) IsOwnLink() bool {
	return slices.Contains([]string{RoleOwnWants, RoleOwnRequires, RoleOwnUpholds}, f.Role)
}

// IsNews reports whether a reload may bring the file in force although nothing
// declares it, or although others than root and the user can change it.
func (f ManagerFile) IsNews() bool {
	return f.Effective && f.ChangedAfterLoad && (f.Origin == OriginUndeclared || f.Origin == OriginUnsafe)
}

// Defines reports whether the file defines the unit. A fragment that podman's generator
// wrote does not: it is new at each reload, and its source is listed too.
func (f File) Defines() bool {
	roles := []string{RoleFragment, RoleDropIn, RoleSource, RoleSourceDropIn}
	return slices.Contains(roles, f.Role) && f.State != StateGenerated
}
