package systemd

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// Manager is the state of a manager as a whole.
type Manager struct {
	Version  string
	State    string    // SystemState
	UnitPath []string  // highest priority first
	Started  time.Time // when it began to start units
	LoadedAt time.Time // see org.freedesktop.systemd1(5): start of the last reload, or end of the first load
}

// Manager reads the manager's properties.
func (c *Conn) Manager(ctx context.Context) (Manager, error) {
	var props map[string]dbus.Variant
	err := c.manager().CallWithContext(ctx, getAll, dbus.FlagNoAutoStart, managerIface).Store(&props)
	if err != nil {
		return Manager{}, fmt.Errorf("read the manager's properties: %w", err)
	}
	p := reader{props: plain(props)}
	m := Manager{
		Version:  value[string](&p, "Version"),
		State:    value[string](&p, "SystemState"),
		UnitPath: value[[]string](&p, "UnitPath"),
		Started:  usec(value[uint64](&p, "UserspaceTimestamp")),
		LoadedAt: usec(value[uint64](&p, "UnitsLoadTimestamp")),
	}
	if m.LoadedAt.IsZero() { // no reload yet
		m.LoadedAt = usec(value[uint64](&p, "UnitsLoadFinishTimestamp"))
	}
	return m, p.err("manager")
}

// Listed is one unit in the manager's memory.
type Listed struct {
	Name, LoadState, ActiveState, SubState string
	Job                                    string // type of the job that is queued or runs for it: start, stop, restart, …; or empty
}

// ListUnits lists the units in memory. It does not list units that are only on disk.
func (c *Conn) ListUnits(ctx context.Context) ([]Listed, error) {
	var rows []struct {
		Name, Description, LoadState, ActiveState, SubState, Following string
		Path                                                           dbus.ObjectPath
		JobID                                                          uint32
		JobType                                                        string
		JobPath                                                        dbus.ObjectPath
	}
	if err := c.call(ctx, "ListUnits").Store(&rows); err != nil {
		return nil, fmt.Errorf("list units: %w", err)
	}
	units := make([]Listed, len(rows))
	for i, r := range rows {
		units[i] = Listed{r.Name, r.LoadState, r.ActiveState, r.SubState, r.JobType}
	}
	return units, nil
}
