package collect

import (
	"reflect"
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// walkedUnit is a unit before and after its files were collected.
type walkedUnit struct{ before, after facts.Unit }

// reuse fills the files of a unit from the last collection, if nothing changed that they
// follow from, and reports whether it did.
func (k *kept) reuse(u *facts.Unit) bool {
	if k.isWhole() {
		return false
	}
	last, known := k.walked[u.Name]
	if !known || k.concerns(*u, last) || !reflect.DeepEqual(last.before, *u) {
		return false
	}
	*u = last.after
	return true
}

// changed returns those of the units whose files are perhaps looked at again; all without a kept.
func (k *kept) changed(units []string) []string {
	if k.isWhole() {
		return units
	}
	return slices.DeleteFunc(slices.Clone(units), func(name string) bool {
		return !k.dirty[name] && !k.change.Units[name] && k.walked[name].after.Name != ""
	})
}

// concerns reports whether a change of other units or of files concerns the unit.
func (k *kept) concerns(u facts.Unit, last walkedUnit) bool {
	isDirty := func(name string) bool { return k.dirty[name] }
	if k.again[u.Name] || k.change.Units[u.Name] || k.change.Units[k.raw[u.Name].ID] {
		return true
	}
	if len(k.dirty) == 0 {
		return false
	}
	if isDirty(u.Name) || isDirty(unitfile.Template(u.Name)) || k.raw[u.Name].mentions(isDirty) {
		return true
	}
	if last.after.Loaded != nil && slices.ContainsFunc(last.after.Loaded.Pulls, func(p facts.Pull) bool { return isDirty(p.Unit) }) {
		return true
	}
	return slices.ContainsFunc(last.after.Files, func(f facts.File) bool { return f.Of != "" && isDirty(f.Of) })
}

// keep keeps the units for the next collection.
func (k *kept) keep(before, after []facts.Unit) {
	if k == nil {
		return
	}
	k.walked = make(map[string]walkedUnit, len(after))
	for i, u := range after {
		k.walked[u.Name] = walkedUnit{before[i], u}
	}
}

// managerFiles are collected again if a file or the last load is another one.
func (k *kept) managerFiles(collect func() (*facts.ManagerFiles, error)) (*facts.ManagerFiles, error) {
	if !k.isWhole() && k.manager != nil && len(k.change.Paths) == 0 {
		return k.manager, nil
	}
	files, err := collect()
	if k != nil {
		k.manager = files
	}
	return files, err
}
