package drift

import (
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/glob"
	"stackpolicy/internal/unitfile"
)

// Owners reads files and links of the units that pull others in: the owners of the
// .wants, .requires and .upholds folders.
type Owners interface {
	// Settings returns the settings of each file of the owner, its fragment
	// first; nil when it has no fragment on disk.
	Settings(owner string) []unitfile.Settings
	// Linked returns the names of the links in the owner's folders of one kind,
	// as they are written there, sorted. Callers do not change it.
	Linked(owner, kind string) []string
	// LinksChanged returns when any of these folders last changed.
	LinksChanged(owner string) time.Time
	// AliasOf returns the unit of which a name is an alias; "" if it is not an alias.
	AliasOf(name string) string
}

// kinds are the ways in which one unit pulls in another, and the settings that
// say the same as a link.
var kinds = []struct {
	name     string
	settings []string
}{
	{"wants", []string{"Unit.Wants", "Service.Sockets"}},
	{"requires", []string{"Unit.Requires", "Unit.RequiresOverridable"}},
	{"upholds", []string{"Unit.Upholds"}},
}

// unreadLinks lists the owners of links on disk that the manager has not read.
// An owner that is not loaded has no dependencies to compare with.
func (u *Unit) unreadLinks() []string {
	unread := []string{}
	for _, f := range u.Files {
		if f.isLink() && !f.IsOwnLink() && f.Effective && !f.Loaded && u.Manager.Loaded[f.Of] && u.Loaded.LoadState == "loaded" {
			unread = append(unread, f.Of)
		}
	}
	slices.Sort(unread)
	return slices.Compact(unread)
}

// goneLinks lists the units that pull this one in by a link that no longer exists. D-Bus
// does not say where a dependency comes from. So a link is gone if nothing else explains
// the dependency: no link on disk, no setting of the owner, and not systemd itself. Only
// then would a reload remove it.
func (u *Unit) goneLinks(owners Owners) []string {
	gone := []string{}
	for _, kind := range kinds {
		for _, owner := range u.pulledInBy(kind.name) {
			if !u.Manager.IsAfterLoad(owners.LinksChanged(owner)) || isAutomatic(kind.name, u.names()) {
				continue
			}
			settings := owners.Settings(owner)
			if settings == nil {
				continue // not defined in the unit path, for example a scope
			}
			named := owners.Linked(owner, kind.name)
			if hasAny(named, u.names()) {
				continue // saves the rest: a target may have thousands of links
			}
			named = slices.Clone(named)
			for _, file := range settings {
				named = append(named, mentioned(file, kind.settings)...)
			}
			if !names(named, owner, u.names()) {
				gone = append(gone, owner)
			}
		}
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}

// names returns the name of the unit and its aliases.
func (u *Unit) names() []string {
	return append([]string{u.Loaded.ID}, u.Loaded.Names...)
}

// hasAny reports whether a sorted list has one of the names.
func hasAny(sorted, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, found := slices.BinarySearch(sorted, name)
		return found
	})
}

// mentioned lists the unit names in a file's settings. An empty assignment does
// not take dependencies back (systemd.unit(5)).
func mentioned(file unitfile.Settings, keys []string) []string {
	var words []string
	for _, key := range keys {
		for _, value := range file.All(key) {
			words = append(words, strings.Fields(strings.NewReplacer(`"`, "", `'`, "").Replace(value))...)
		}
	}
	return words
}

// names reports whether one of the words, from a file or link of owner, may mean a unit
// with one of these names. An unknown specifier may have any value.
func names(words []string, owner string, units []string) bool {
	spec := unitfile.NameSpecifiers(owner)
	return slices.ContainsFunc(words, func(word string) bool {
		pattern := unitfile.Resolve(owner, spec.Pattern(word))
		return slices.ContainsFunc(units, func(unit string) bool { return glob.Match(pattern, unit) })
	})
}

// isAutomatic reports whether systemd may add a dependency of this kind automatically.
// From all uses of UNIT_WANTS and UNIT_REQUIRES in systemd 252 and 257: Slice=, default
// dependencies, mounts that a path needs, devices, D-Bus, log namespaces, the
// out-of-memory killer, kernel modules.
func isAutomatic(kind string, units []string) bool {
	return slices.ContainsFunc(units, func(unit string) bool {
		_, suffix := unitfile.Split(unit)
		if kind == "upholds" {
			return false
		}
		if suffix == "mount" || suffix == "device" {
			return true
		}
		return slices.ContainsFunc(automatic[kind], func(pattern string) bool { return glob.Match(pattern, unit) })
	})
}

var automatic = map[string][]string{
	"requires": {"*.slice", "basic.target", "sysinit.target", "dbus.socket", "systemd-journald*"},
	"wants":    {"systemd-oomd.service", "modprobe@*.service", "network-online.target", "quotaon.service", "systemd-quotacheck.service"},
}
