package collect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// The units that an audit always records.
const (
	auditTimer      = "stackpolicy-audit.timer"
	watchService    = "stackpolicy-watch.service"
	defaultTarget   = "default.target"
	autoUpdateTimer = "podman-auto-update.timer"
)

// wouldWait begins the error of an audit that does not ask the manager, because of a pipe,
// a device or a large file. user_manager_running knows it.
const wouldWait = "the manager would wait for ever: "

func waits(path string) error { return fmt.Errorf("%s%s", wouldWait, path) }

// manager is a connection to the user's manager ([systemd.Conn]).
type manager interface {
	Units(ctx context.Context, names []string, idle func(string) bool) ([]systemd.Unit, error)
	ReloadResults(ctx context.Context, names []string) (map[string]string, error)
	Transport() string
}

// surveyable is a manager that says how it is as a whole.
type surveyable interface {
	manager
	Manager(ctx context.Context) (systemd.Manager, error)
	ListUnits(ctx context.Context) ([]systemd.Listed, error)
}

// surveyed has a manager's own state, and the files in its unit path.
type surveyed struct {
	conn     manager
	manager  systemd.Manager
	listed   []systemd.Listed
	index    *unitfile.Index
	indexErr error
}

// A surveyor surveys the manager within limited. The connection stays open until
// ctx ends: other collectors use it.
type surveyor func(ctx, limited context.Context, e Environment) (surveyed, error)

func surveyManager(ctx, limited context.Context, e Environment) (s surveyed, err error) {
	conn, err := systemd.DialUser(limited, e.RuntimeDir, e.BusAddress)
	if err != nil {
		return s, err
	}
	s.conn = conn
	context.AfterFunc(ctx, func() { _ = conn.Close() }) // the connection only reads, so an error does no harm
	if s.manager, err = conn.Manager(limited); err != nil {
		return s, err
	}
	if dir := e.UnitDir(); !slices.Contains(s.manager.UnitPath, dir) { // otherwise everything would be judged with the wrong folder
		return s, fmt.Errorf("the manager does not search %s; run this with the HOME and XDG_CONFIG_HOME that it has", dir)
	}
	indexed := begin(limited, systemdLimit, func(ctx context.Context) (*unitfile.Index, error) {
		return unitfile.ReadIndex(ctx, s.manager.UnitPath)
	})
	if s.listed, err = conn.ListUnits(limited); err != nil {
		return s, err
	}
	if s.index, s.indexErr = await(limited, indexed); s.index != nil {
		if path := s.index.Waiting(); path != "" { // asked for the unit, or reloaded, the manager would answer nobody any more
			return s, waits(path)
		}
	}
	return s, nil
}

var systemdRow = collector{name: "systemd", limit: systemdLimit, fills: []string{"manager", "units.loaded"}}

const systemdLimit = 20 * time.Second

// loadedUnits is what the manager has loaded. Without a manager it has only the names of
// the units.
type loadedUnits struct {
	conn     manager
	listed   map[string]systemd.Listed // units that were in memory before the audit asked for any
	loaded   map[string]systemd.Unit
	index    *unitfile.Index
	indexErr error
	managed  map[string]string // unit -> who manages it, for all units
	patterns []facts.Pattern
	idle     []string // held units of the configuration that are not managed
	manager  *facts.Manager
	units    []facts.Unit // those of the document
	named    string       // see scope.named; not an alias
	others   map[string]facts.History
	gone     []facts.GoneUnit
}

// collectSystemd waits for the survey that was started before the other collectors, and
// asks the manager for the units of the document.
func collectSystemd(ctx context.Context, surveying <-chan answer[surveyed], sought scope, looks *looks) (loadedUnits, error) {
	s, err := await(ctx, surveying)
	if err != nil {
		return loadedUnits{}, err
	}
	l := loadedUnits{conn: s.conn, index: s.index, indexErr: s.indexErr, listed: map[string]systemd.Listed{}}
	var known []string // in memory, on disk, or an instance that is pulled in
	for _, unit := range s.listed {
		known = append(known, unit.Name)
		l.listed[unit.Name] = unit
	}
	if s.index != nil {
		known = append(append(known, s.index.Names()...), s.index.Instances()...)
	}
	slices.Sort(known)
	if sought.named != "" && s.index != nil {
		sought.named = cmp.Or(s.index.AliasOf(sought.named), sought.named)
		l.named = sought.named
	}
	l.managed, l.patterns = managedUnits(sought.env, sought.declared, slices.Compact(known), sought.foreign(s.index, l.listed))
	l.idle = idleHolds(sought.env.Config.Holds, l.managed)
	l.others = sought.memory.others(l.managed)
	if sought.declared.generation == nil && s.index != nil {
		onDisk := func(name string) bool { return len(s.index.Fragments(name)) > 0 }
		l.gone = goneUnits(sought.memory, l.managed, l.patterns, onDisk, sought.env.Now().UTC())
	}
	names := sought.names(s.index, l.managed)
	looks.ahead(s.index, sought.env.kept.changed(names))
	if l.loaded, err = readUnits(ctx, s.conn, l.listed, append(loadable(names), auditTimer, watchService, autoUpdateTimer, autoUpdateService, defaultTarget)); err != nil {
		return loadedUnits{}, err
	}
	for name, u := range l.loaded {
		u.DropInPaths = named(s.index, append([]string{u.ID}, u.Names...), u)
		u.SourcePath = sourcePath(sought.env, u)
		l.loaded[name] = u
	}
	l.manager = s.document(l.loaded)
	for _, name := range l.withoutAliases(names, sought.env.Config.Stacks) {
		l.units = append(l.units, sought.unit(name, l))
	}
	return l, nil
}

// sourcePath returns the quadlet that a unit was generated from. Of a unit that the manager
// refuses, it does not say that (measured with 257), but the generated file does.
func sourcePath(e Environment, u systemd.Unit) string {
	if u.SourcePath != "" || u.LoadState == "loaded" || e.origin(u.FragmentPath) != facts.OriginGenerator {
		return u.SourcePath
	}
	settings, err := unitfile.Read([]string{u.FragmentPath})
	source, _ := settings.Last("Unit.SourcePath")
	if err != nil || quadletUnit(source) == "" {
		return ""
	}
	return source
}

// withoutAliases removes the names of units that are also there by their own name: what is said
// of an alias, such as one that systemctl enable made a link for, is said of its unit. If only
// the alias is managed, so is its unit. The name by which the configuration has a stack stays.
func (l loadedUnits) withoutAliases(names []string, stacks map[string]config.Stack) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		own := l.loaded[name].ID
		if own == "" || own == name {
			return false
		}
		isThere := slices.Contains(names, own) || slices.Contains(names, unitfile.Template(own))
		if !isThere || stackOf(stacks, name) != "" {
			return false
		}
		if l.managed[own] == "" {
			l.managed[own] = l.managed[name]
		}
		delete(l.managed, name)
		return true
	})
}

func (l loadedUnits) fill(doc *facts.Document) {
	doc.Manager = l.manager
	doc.Units = append(doc.Units, l.units...)
	if doc.History != nil {
		doc.History.Others = l.others
	}
	if doc.Declared != nil {
		doc.Declared.Patterns, doc.Declared.IdleHolds, doc.Declared.Gone = l.patterns, l.idle, l.gone
	}
}

func (s *surveyed) document(loaded map[string]systemd.Unit) *facts.Manager {
	m, target, watch := s.manager, activity(loaded[defaultTarget]), activity(loaded[watchService])
	return &facts.Manager{
		Version: m.Version, State: m.State, Transport: s.conn.Transport(), UnitPath: m.UnitPath, StartedAt: m.Started, LoadedAt: m.LoadedAt,
		AuditTimer: activity(loaded[auditTimer]), Watch: &watch, DefaultTarget: &target, FailedNoFile: ghosts(s.listed), RunningNoFile: leftRunning(s.listed),
	}
}

// idleHolds returns the held units that are not managed: these holds have no effect.
func idleHolds(holds []config.Hold, managed map[string]string) (units []string) {
	for _, h := range holds {
		if managed[h.Unit] == "" {
			units = append(units, h.Unit)
		}
	}
	return units
}

// loadable removes templates, which the manager cannot load.
func loadable(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), unitfile.IsTemplate)
}

func readUnits(ctx context.Context, conn manager, inMemory map[string]systemd.Listed, names []string) (map[string]systemd.Unit, error) {
	idle := func(name string) bool { _, ok := inMemory[name]; return !ok }
	units, err := conn.Units(ctx, names, idle)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]systemd.Unit, len(names))
	for i, name := range names {
		byName[name] = units[i]
	}
	return byName, nil
}

// named returns a unit's drop-ins by the paths under which systemd searched them. If two of
// its folders are the same, systemd reads the first. Those that the manager cannot say are
// taken from the disk.
func named(index *unitfile.Index, names []string, u systemd.Unit) []string {
	out := []string{}
	if len(u.DropInPaths) == 0 && !u.IsMute {
		return out
	}
	searched := map[string]string{}
	if index != nil {
		for _, d := range index.DropIns(names) {
			if searched[d.Real] == "" {
				searched[d.Real] = d.Path
			}
			if u.IsMute && !d.Masked {
				out = append(out, d.Path)
			}
		}
	}
	for _, p := range u.DropInPaths {
		if to := searched[p]; to != "" {
			p = to
		} else if index != nil {
			p = index.Named(p)
		}
		out = append(out, p)
	}
	return out
}

func activity(u systemd.Unit) facts.Activity {
	return facts.Activity{LoadState: u.LoadState, ActiveState: u.ActiveState, SubState: u.SubState}
}

// ghosts returns units that failed and whose file is gone.
func ghosts(listed []systemd.Listed) []string {
	names := []string{}
	for _, l := range listed {
		if l.ActiveState == "failed" && l.LoadState == "not-found" {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return names
}

// leftRunning returns units that still run although their file is gone.
func leftRunning(listed []systemd.Listed) []string {
	names := []string{}
	for _, l := range listed {
		switch _, kind := unitfile.Split(l.Name); kind {
		case "service", "timer", "socket", "path":
			if l.LoadState == "not-found" && l.ActiveState != "failed" && l.ActiveState != "inactive" {
				names = append(names, l.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// pulls returns the units that make u run or keep it from running: active targets that pull
// it in, active units that trigger it, and units that it requires and that are down.
func pulls(u systemd.Unit, listed map[string]systemd.Listed) (wantedBy, triggeredBy, down []string) {
	active := func(name string) bool { return listed[name].ActiveState == "active" }
	wantedBy = which(func(name string) bool { return strings.HasSuffix(name, ".target") && active(name) },
		u.WantedBy, u.RequiredBy, u.UpheldBy)
	triggeredBy = which(active, u.TriggeredBy)
	down = which(func(name string) bool {
		state := listed[name].ActiveState
		implied := strings.HasSuffix(name, ".slice") // every unit requires its slice, which is started with it
		return !implied && (state == "inactive" || state == "failed")
	}, u.Requires, u.Requisite, u.BindsTo)
	return wantedBy, triggeredBy, down
}

// which returns the names in the lists for which keep is true, sorted and without
// duplicates.
func which(keep func(string) bool, lists ...[]string) []string {
	names := []string{}
	for _, list := range lists {
		for _, name := range list {
			if keep(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func loadedFrom(u systemd.Unit) *facts.Loaded {
	l := &facts.Loaded{
		LoadState: u.LoadState, ActiveState: u.ActiveState, SubState: u.SubState, UnitFileState: u.UnitFileState,
		FragmentPath: u.FragmentPath, SourcePath: u.SourcePath, DropInPaths: orEmpty(u.DropInPaths), DropInsUnsaid: u.IsMute,
		NeedDaemonReload: u.NeedDaemonReload, StateChange: timeOrNil(u.StateChange), InactiveExit: timeOrNil(u.InactiveExit),
		ActiveSince: timeOrNil(u.ActiveEnter), ActiveExit: timeOrNil(u.ActiveExit),
		Condition: met(u.Condition), Assertion: met(u.Assertion), TimeoutStartSec: -1,
		Start: []facts.Command{}, StartPost: []facts.Command{}, Differs: []facts.Difference{}, LinksUnread: []string{}, LinksGone: []string{}, Pulls: []facts.Pull{},
	}
	if s := u.Service; s != nil {
		l.Type, l.RemainAfterExit, l.Result = s.Type, s.RemainAfterExit, s.Result
		l.ExitStatus, l.Restarts = s.ExecMainStatus, s.Restarts
		if s.TimeoutStart >= 0 {
			l.TimeoutStartSec = s.TimeoutStart.Round(time.Millisecond).Seconds()
		}
		l.Start, l.StartPost = commands(s.ExecStart), commands(s.ExecStartPost)
		starts := startedBy(s.ExecStart)
		l.StartsServices, l.StartsAlone = starts.services, starts.alone
		if len(s.ExecStartPre) > 0 {
			l.StartPre = commands(s.ExecStartPre)
		}
	}
	return l
}

func commands(lines []systemd.Exec) []facts.Command {
	list := []facts.Command{}
	for _, c := range lines {
		list = append(list, facts.Command{Path: c.Path, IgnoreFailure: c.IgnoreFailure})
	}
	return list
}

// met returns whether conditions or assertions were met; "" if they were not checked.
func met(c systemd.Check) string {
	switch {
	case c.At.IsZero():
		return ""
	case c.Met:
		return "met"
	}
	return "not-met"
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
