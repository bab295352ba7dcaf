package collect

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
)

var propertiesRow = collector{
	name: "properties", limit: 10 * time.Second, fills: []string{"units.properties"}, needs: []string{"systemd"},
}

// propertiesFound has the properties of managed units, by name.
type propertiesFound map[string]facts.Properties

func (f propertiesFound) fill(doc *facts.Document) {
	for i := range doc.Units {
		if p, ok := f[doc.Units[i].Name]; ok {
			doc.Units[i].Properties = &p
		}
	}
}

// detailer is the part of the manager that knows details.
type detailer interface {
	Details(ctx context.Context, names []string) ([]systemd.Details, error)
}

func collectProperties(ctx context.Context, env Environment, doc *facts.Document) (propertiesFound, error) {
	names := detailedUnits(doc)
	if len(names) == 0 {
		return propertiesFound{}, nil
	}
	conn, err := systemd.DialUser(ctx, env.RuntimeDir, env.BusAddress)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return propertiesOf(ctx, conn, names)
}

// detailedUnits are the units whose properties are read.
func detailedUnits(doc *facts.Document) (names []string) {
	for _, u := range doc.Units {
		if u.IsManaged() && u.Loaded != nil {
			names = append(names, u.Name)
		}
	}
	return names
}

func propertiesOf(ctx context.Context, manager detailer, names []string) (propertiesFound, error) {
	details, err := manager.Details(ctx, names)
	if err != nil {
		return nil, err
	}
	booted, err := monotonicStart()
	if err != nil {
		return nil, err
	}
	found := propertiesFound{}
	for i, name := range names {
		found[name] = propertiesFrom(details[i], booted)
	}
	return found, nil
}

func propertiesFrom(d systemd.Details, booted time.Time) facts.Properties {
	p := facts.Properties{
		Requires: sorted(d.Requires), BindsTo: sorted(d.BindsTo), Wants: sorted(d.Wants),
		PartOf: sorted(d.PartOf), After: sorted(d.After), Before: sorted(d.Before),
	}
	if s := d.Service; s != nil {
		p.MemoryMax, p.TasksMax, p.MemoryCurrent = finite(s.MemoryMax), finite(s.TasksMax), finite(twoDigits(s.MemoryCurrent))
		if s.CPUQuota >= 0 {
			percent := s.CPUQuota.Seconds() * 100
			p.CPUQuotaPercent = &percent
		}
		p.Restart = s.Restart
		codes := map[int]string{1: "exited", 2: "killed", 3: "dumped"} // waitid(2)
		if code := codes[s.ExitCode]; code != "" && !s.ExitedAt.IsZero() {
			p.LastExit = &facts.Exit{Code: code, Status: s.ExitStatus, At: s.ExitedAt}
		}
	}
	if t := d.Timer; t != nil {
		next := t.Next
		if monotonic := booted.Add(t.NextMonotonic); t.NextMonotonic > 0 && (next.IsZero() || monotonic.Before(next)) {
			next = monotonic
		}
		p.Timer = &facts.Timer{Last: timeOrNil(t.Last), Next: timeOrNil(next)}
	}
	return p
}

func sorted(names []string) []string { return orEmpty(slices.Sorted(slices.Values(names))) }

func finite(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// monotonicStart returns when the monotonic clock was zero, in whole seconds: systemd gives
// times of timers by that clock.
func monotonicStart() (time.Time, error) {
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &since); err != nil {
		return time.Time{}, err
	}
	return time.Now().Add(-time.Duration(since.Nano())).UTC().Round(time.Second), nil
}
