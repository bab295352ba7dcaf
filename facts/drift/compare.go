package drift

import (
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/unitfile"
)

// Reader returns the settings of some files taken together, as [unitfile.Read]
// does.
type Reader func(paths []string) (unitfile.Settings, error)

// Difference has the differences between a unit as loaded and its files, apart from the
// files' times.
type Difference struct {
	Settings    []facts.Difference
	LinksUnread []string     // see the schema of Loaded.LinksUnread
	LinksGone   []string     // see the schema of Loaded.LinksGone
	Pulls       []facts.Pull // see the schema of Loaded.Pulls; without states
	Stop        []string     // ExecStop= and ExecStopPost= of the files that would be read now; none if another fragment is loaded
	Reloads     bool         // the same files have an ExecReload=
	Repeats     bool         // the same files are of a timer that is to elapse more than once
}

// Compare finds the differences; call Mark first. It clears ChangedAfterLoad of files
// whose revision stamp proves that their content is loaded.
func (u *Unit) Compare(read Reader, spec unitfile.Specifiers, owners Owners) (Difference, error) {
	d := Difference{Settings: []facts.Difference{}, LinksUnread: u.unreadLinks(), LinksGone: []string{}, Pulls: []facts.Pull{}}
	if u.JustRead || u.Loaded.LoadState != "loaded" {
		return d, nil
	}
	d.LinksGone = u.goneLinks(owners)
	var err error
	if d.Pulls, err = u.listPulls(read, owners); err != nil {
		return d, err
	}
	gone, err := u.goneOwnLink(read, owners)
	if err != nil {
		return d, err
	}
	if gone {
		d.LinksGone = append(d.LinksGone, u.Loaded.ID)
	}
	paths := u.paths()
	if len(paths) == 0 || paths[0] != u.Loaded.FragmentPath {
		return d, nil // another fragment is loaded, which Mark has recorded
	}
	onDisk, err := read(paths)
	if err != nil {
		return d, err
	}
	if err := u.clearStamped(read, paths); err != nil {
		return d, err
	}
	d.Settings = compareSettings(u.Loaded, onDisk, spec)
	d.Reloads = len(onDisk.List("Service.ExecReload")) > 0
	d.Repeats = repeats(onDisk)
	d.Stop = slices.Concat(onDisk.List("Service.ExecStop"), onDisk.List("Service.ExecStopPost"))
	return d, nil
}

// singleDay is the beginning of an OnCalendar= value that names one day, so that it elapses
// on that day at most (systemd.time(7)).
var singleDay = lazyregexp.New(`^@|^([A-Za-z,.]+ +)?[0-9]{2,4}-[0-9]{1,2}-[0-9]{1,2}( |$)`)

// repeats reports whether the settings are those of a timer that is to elapse more than once.
func repeats(s unitfile.Settings) bool {
	again := len(s.List("Timer.OnUnitActiveSec")) > 0 || len(s.List("Timer.OnUnitInactiveSec")) > 0
	return again || slices.ContainsFunc(s.List("Timer.OnCalendar"), func(v string) bool { return !singleDay.Get().MatchString(v) })
}

// paths lists the files that the manager would read now, the fragment first if
// it can be read.
func (u *Unit) paths() []string {
	var paths []string
	for _, f := range u.Files {
		isRead := f.Role == facts.RoleFragment || f.Role == facts.RoleDropIn
		if isRead && f.Effective && f.Digest != "" {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// clearStamped clears ChangedAfterLoad of declared files whose own stamp is loaded: Home
// Manager before August 2026 recreates every link at each activation, so a newer link
// alone proves nothing.
func (u *Unit) clearStamped(read Reader, paths []string) error {
	for i, f := range u.Files {
		if !f.ChangedAfterLoad || !f.isDeclared() || !slices.Contains(paths, f.Path) {
			continue
		}
		file, err := read([]string{f.Path})
		if err != nil {
			return err
		}
		u.Files[i].ChangedAfterLoad = !u.hasLoadedStamp(file)
	}
	return nil
}
