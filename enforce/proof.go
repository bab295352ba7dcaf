package enforce

import (
	"slices"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Brought is a file that is in use because of an action of this program, although it is not
// declared.
type Brought struct {
	Subject string // the unit that it defines or alters, or host
	Path    string
	State   string // compared to its declaration
}

// Brings compares the files that are in use before and after a reload, in the manager and
// on disk. It returns files that are new and not declared. No check before the call can
// exclude these: a file can change between the last check and the moment when the manager
// reads it, and a generator can write anything. It returns nil for actions other than a
// reload, and for actions that were not tried.
func (a Action) Brings(after *facts.Document) []Brought {
	if a.Action != finding.DaemonReload || a.Before == nil || a.Status == Refused {
		return nil
	}
	var brought []Brought
	for _, u := range after.Units {
		if !u.IsManaged() {
			continue
		}
		before := find(a.Before, u.Name)
		for _, f := range u.Files {
			if isStrange(f) && !wasLoaded(before, f) {
				brought = append(brought, Brought{u.Name, f.Path, f.State})
			}
		}
	}
	return append(brought, a.bringsManager(after.ManagerFiles)...)
}

// isStrange reports whether a file is in use and not declared. Drop-ins of the distribution
// do not count.
func isStrange(f facts.File) bool {
	distribution := f.Origin == facts.OriginDistribution && f.Role != facts.RoleFragment
	return f.Loaded && (f.Defines() || f.IsOwnLink()) && !f.IsTrusted() && !distribution
}

// wasLoaded reports whether the file was in force as it is now. Of a link to another
// unit only its name counts.
func wasLoaded(before *facts.Unit, f facts.File) bool {
	return before != nil && slices.ContainsFunc(before.Files, func(b facts.File) bool {
		same := b.Path == f.Path && b.Role == f.Role && b.Loaded
		return same && (f.IsOwnLink() || b.Digest == f.Digest && !b.ChangedAfterLoad)
	})
}

func (a Action) bringsManager(after *facts.ManagerFiles) []Brought {
	var brought []Brought
	if after == nil || a.Before.ManagerFiles == nil {
		return nil
	}
	for _, f := range after.Files {
		strange := f.Effective && (f.Origin == facts.OriginUndeclared || f.Origin == facts.OriginUnsafe)
		known := slices.ContainsFunc(a.Before.ManagerFiles.Files, func(b facts.ManagerFile) bool {
			return b.Path == f.Path && b.Digest == f.Digest && b.Effective && !b.ChangedAfterLoad
		})
		if strange && !known && !f.ChangedAfterLoad {
			brought = append(brought, Brought{finding.Host, f.Path, f.Origin})
		}
	}
	return brought
}
