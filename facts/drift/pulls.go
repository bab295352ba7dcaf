package drift

import (
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// pullSettings are the settings by which a unit pulls in others.
var pullSettings = []string{
	"Unit.Wants", "Unit.Requires", "Unit.RequiresOverridable", "Unit.BindsTo", "Unit.Upholds", "Service.Sockets",
}

// ownKinds are the roles of links in a unit's own folders, and what their kind is
// called.
var ownKinds = []struct{ role, kind string }{
	{facts.RoleOwnWants, "wants"}, {facts.RoleOwnRequires, "requires"}, {"", "binds-to"}, {facts.RoleOwnUpholds, "upholds"},
}

// listPulls lists the units that this one pulls in as loaded, and says which of them
// its declared files and links name. What systemd adds itself is left out. To be
// pulled at is what targets are for: nothing of theirs is listed.
func (u *Unit) listPulls(read Reader, owners Owners) ([]facts.Pull, error) {
	pulls := []facts.Pull{}
	if strings.HasSuffix(u.Loaded.ID, ".target") {
		return pulls, nil
	}
	for _, kind := range ownKinds {
		for _, unit := range u.pulledIn(kind.role) {
			if !isAutomatic(kind.kind, []string{unit}) {
				pulls = append(pulls, facts.Pull{Unit: unit, Kind: kind.kind})
			}
		}
	}
	if len(pulls) == 0 {
		return pulls, nil
	}
	said, err := u.saidPulls(read, owners, func(f File) bool { return f.IsTrusted() || f.Origin == facts.OriginDistribution })
	for i := range pulls {
		pulls[i].Declared = names(said, u.Loaded.ID, []string{pulls[i].Unit})
	}
	return pulls, err
}

// goneOwnLink reports whether the unit pulls in another one by a link of its own that no
// longer exists: neither files nor links on disk name the other one, whoever wrote them.
func (u *Unit) goneOwnLink(read Reader, owners Owners) (bool, error) {
	if strings.HasSuffix(u.Loaded.ID, ".target") || !u.Manager.IsAfterLoad(owners.LinksChanged(u.Loaded.ID)) {
		return false, nil
	}
	said, err := u.saidPulls(read, owners, func(File) bool { return true })
	if err != nil {
		return false, err
	}
	for _, kind := range ownKinds {
		for _, unit := range u.pulledIn(kind.role) {
			isLink := kind.role != "" && !isAutomatic(kind.kind, []string{unit})
			if isLink && !names(said, u.Loaded.ID, []string{unit}) {
				return true, nil
			}
		}
	}
	return false, nil
}

// saidPulls lists the units that those of the unit's files and links name for which counts is
// true, as they are written there; never nil. An alias is followed by the unit's own name.
func (u *Unit) saidPulls(read Reader, owners Owners, counts func(File) bool) ([]string, error) {
	said, paths := []string{}, []string{}
	for _, f := range u.Files {
		switch {
		case !f.Effective || !counts(f):
		case f.IsOwnLink():
			said = append(said, f.Of)
		case slices.Contains(u.paths(), f.Path):
			paths = append(paths, f.Path)
		}
	}
	settings, err := read(paths)
	if err != nil {
		return nil, err
	}
	said = append(said, mentioned(settings, pullSettings)...)
	for _, word := range said {
		if of := owners.AliasOf(unitfile.Resolve(u.Loaded.ID, word)); of != "" {
			said = append(said, of)
		}
	}
	return said, nil
}
