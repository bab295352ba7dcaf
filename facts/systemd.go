package facts

import (
	"context"
	"slices"
	"time"

	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// The timers an audit knows by name.
const (
	auditTimer      = "stackpolicy-audit.timer"
	autoUpdateTimer = "podman-auto-update.timer"
)

// collectSystemd fills manager, and each unit's loaded part. The connection
// stays open for the podman collector.
func collectSystemd(ctx context.Context, r *run) (func(), error) {
	conn, err := systemd.DialUser(ctx, r.env.RuntimeDir, r.env.BusAddress)
	if err != nil {
		return nil, err
	}
	apply, err := readManager(ctx, r, conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return apply, nil
}

func readManager(ctx context.Context, r *run, conn *systemd.Conn) (func(), error) {
	m, err := conn.Manager(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := conn.ListUnits(ctx)
	if err != nil {
		return nil, err
	}
	index, indexErr := unitfile.ReadIndex(ctx, m.UnitPath)
	var inMemory []string
	byName := map[string]systemd.Listed{}
	for _, l := range listed {
		inMemory = append(inMemory, l.Name)
		byName[l.Name] = l
	}
	managed, patterns := r.managedUnits(r.knownNames(index, inMemory))
	recorded := r.recorded(index, managed)
	loaded, err := readUnits(ctx, conn, append(loadable(recorded), auditTimer, autoUpdateTimer))
	if err != nil {
		return nil, err
	}
	for name, u := range loaded {
		u.DropInPaths = named(index, append([]string{u.ID}, u.Names...), u.DropInPaths)
		loaded[name] = u
	}
	return func() {
		r.conn, r.listed, r.index, r.loaded = conn, byName, index, loaded
		if indexErr != nil {
			r.failed["index"] = indexErr
		}
		if r.doc.Declared != nil {
			r.doc.Declared.Patterns = patterns
		}
		r.doc.Manager = &Manager{
			Version: m.Version, State: m.State, Transport: conn.Transport(), UnitPath: m.UnitPath, LoadedAt: m.LoadedAt,
			AuditTimer: activity(loaded[auditTimer]), FailedNoFile: ghosts(listed),
		}
		for _, name := range recorded {
			r.doc.Units = append(r.doc.Units, r.unit(name, managed[name]))
		}
	}, nil
}

// recorded are the units of the document: the managed ones, and what else
// stands in the user's own unit folder.
func (r *run) recorded(index *unitfile.Index, managed map[string]string) []string {
	var names []string
	for name := range managed {
		names = append(names, name)
	}
	if index != nil {
		names = append(names, index.In(r.env.UnitDir())...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// loadable leaves templates out, which the manager cannot load.
func loadable(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), unitfile.IsTemplate)
}

func readUnits(ctx context.Context, conn *systemd.Conn, names []string) (map[string]systemd.Unit, error) {
	units, err := conn.Units(ctx, names)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]systemd.Unit, len(names))
	for i, name := range names {
		byName[name] = units[i]
	}
	return byName, nil
}

// named puts a unit's drop-ins under the names of the folders they were
// searched in. Two of its folders may lead to one; the first is the one read.
func named(index *unitfile.Index, unit, paths []string) []string {
	searched := map[string]string{}
	if index != nil {
		for _, d := range index.DropIns(unit) {
			if searched[d.Real] == "" {
				searched[d.Real] = d.Path
			}
		}
	}
	out := []string{}
	for _, p := range paths {
		if to := searched[p]; to != "" {
			p = to
		} else if index != nil {
			p = index.Named(p)
		}
		out = append(out, p)
	}
	return out
}

func activity(u systemd.Unit) Activity {
	return Activity{LoadState: u.LoadState, ActiveState: u.ActiveState}
}

// ghosts are units that failed and whose file is gone since.
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

func (r *run) unit(name, managedBy string) Unit {
	u := Unit{
		Name: name, ManagedBy: managedBy, Template: unitfile.IsTemplate(name), Stack: r.configuredStack(name),
		Files: []File{}, Containers: []Container{},
	}
	loaded, ok := r.loaded[name]
	if ok {
		u.Loaded = loadedFrom(loaded)
		u.Loaded.FragmentOrigin = r.origin(loaded.FragmentPath)
	}
	u.Quadlet = ok && u.Loaded.FragmentOrigin == originGenerator && quadletUnit(loaded.SourcePath) != ""
	for path := range r.declared {
		u.Quadlet = u.Quadlet || quadletUnit(path) == name
	}
	return u
}

func (r *run) configuredStack(unit string) string {
	for name, s := range r.env.Config.Stacks {
		if s.Unit == unit {
			return name
		}
	}
	return ""
}

func loadedFrom(u systemd.Unit) *Loaded {
	l := &Loaded{
		LoadState: u.LoadState, ActiveState: u.ActiveState, SubState: u.SubState, UnitFileState: u.UnitFileState,
		FragmentPath: u.FragmentPath, SourcePath: u.SourcePath, DropInPaths: orEmpty(u.DropInPaths),
		NeedDaemonReload: u.NeedDaemonReload, ActiveSince: timeOrNil(u.ActiveEnter), TimeoutStartSec: -1,
		StartPost: []Command{}, Differs: []Difference{}, LinksUnread: []string{}, LinksGone: []string{},
	}
	if s := u.Service; s != nil {
		l.Type, l.RemainAfterExit, l.Result = s.Type, s.RemainAfterExit, s.Result
		l.ExitStatus, l.Restarts = s.ExecMainStatus, s.Restarts
		if s.TimeoutStart >= 0 {
			l.TimeoutStartSec = s.TimeoutStart.Round(time.Millisecond).Seconds()
		}
		for _, c := range s.ExecStartPost {
			l.StartPost = append(l.StartPost, Command{Path: c.Path, IgnoreFailure: c.IgnoreFailure})
		}
	}
	return l
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
