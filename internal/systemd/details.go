package systemd

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Details are properties of a unit that [Unit] does not have.
type Details struct {
	After, Before, PartOf, Requires, BindsTo, Wants []string
	Service                                         *ServiceDetails // nil for other unit types
	Timer                                           *TimerDetails   // nil for other unit types
}

// ServiceDetails are limits, use and the last exit of a service. A number is -1 where
// systemd has none: it is infinite, or not known.
type ServiceDetails struct {
	MemoryMax, MemoryCurrent int64 // bytes
	TasksMax                 int64
	CPUQuota                 time.Duration // per second
	Restart                  string
	ExitCode                 int // si_code of waitid(2): 1 exited, 2 killed, 3 dumped core; 0: it did not exit yet
	ExitStatus               int // exit status, or the signal's number
	ExitedAt                 time.Time
}

// TimerDetails are the times of a timer; zero: never. A next elapse in monotonic time is
// since the machine booted.
type TimerDetails struct {
	Last          time.Time
	Next          time.Time
	NextMonotonic time.Duration
}

// Details reads the details of units, in the order of names. It takes the manager about
// three times as long as [Conn.Units], so ask only for what is needed.
func (c *Conn) Details(ctx context.Context, names []string) ([]Details, error) {
	const together = 64 // units whose questions are under way
	all := make([]Details, 0, len(names))
	for len(all) < len(names) {
		some := names[len(all):min(len(all)+together, len(names))]
		calls := make([][]*dbus.Call, len(some))
		for i, name := range some {
			calls[i] = c.askDetails(ctx, name)
		}
		for i, name := range some {
			d, err := c.detailsOf(ctx, name, calls[i])
			if err != nil {
				return nil, err
			}
			all = append(all, d)
		}
	}
	return all, nil
}

func (c *Conn) askDetails(ctx context.Context, name string) (calls []*dbus.Call) {
	for _, iface := range detailInterfaces(name) {
		calls = append(calls, c.bus.Object(destination, unitPath(name)).
			GoWithContext(ctx, getAll, dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), iface))
	}
	return calls
}

func detailInterfaces(name string) []string {
	switch {
	case isService(name):
		return []string{unitIface, serviceIface}
	case isTimer(name):
		return []string{unitIface, timerIface}
	}
	return []string{unitIface}
}

// dependencies are the properties of the Unit interface that [Details] has.
var dependencies = []string{"After", "Before", "PartOf", "Requires", "BindsTo", "Wants"}

func (c *Conn) detailsOf(ctx context.Context, name string, calls []*dbus.Call) (d Details, err error) {
	r := &reader{props: map[string]any{}}
	for _, call := range calls {
		var props map[string]dbus.Variant
		err := await(ctx, call, &props)
		if isMute(err) { // which only the Unit interface can be
			props, err = c.each(ctx, name, dependencies)
		}
		if err != nil {
			return d, unread(name, "", err)
		}
		for key, v := range props {
			r.props[key] = v.Value()
		}
	}
	d = Details{
		After: value[[]string](r, "After"), Before: value[[]string](r, "Before"), PartOf: value[[]string](r, "PartOf"),
		Requires: value[[]string](r, "Requires"), BindsTo: value[[]string](r, "BindsTo"), Wants: value[[]string](r, "Wants"),
	}
	switch {
	case isService(name):
		d.Service = &ServiceDetails{
			MemoryMax: amount(r, "MemoryMax"), MemoryCurrent: amount(r, "MemoryCurrent"), TasksMax: amount(r, "TasksMax"),
			CPUQuota: span(value[uint64](r, "CPUQuotaPerSecUSec")), Restart: value[string](r, "Restart"),
			ExitCode: int(value[int32](r, "ExecMainCode")), ExitStatus: int(value[int32](r, "ExecMainStatus")),
			ExitedAt: usec(value[uint64](r, "ExecMainExitTimestamp")),
		}
	case isTimer(name):
		d.Timer = &TimerDetails{Last: usec(value[uint64](r, "LastTriggerUSec"))}
		if next := value[uint64](r, "NextElapseUSecRealtime"); next < math.MaxInt64 {
			d.Timer.Next = usec(next)
		}
		if next := span(value[uint64](r, "NextElapseUSecMonotonic")); next > 0 {
			d.Timer.NextMonotonic = next
		}
	}
	return d, r.err(fmt.Sprintf("unit %q", name))
}

// each reads properties of the Unit interface, each by a question of its own.
func (c *Conn) each(ctx context.Context, name string, properties []string) (map[string]dbus.Variant, error) {
	o, props := c.bus.Object(destination, unitPath(name)), map[string]dbus.Variant{}
	for _, property := range properties {
		var v dbus.Variant
		if err := await(ctx, one(ctx, o, unitIface, property), &v); err != nil {
			return nil, err
		}
		props[property] = v
	}
	return props, nil
}

// amount reads a number; systemd's infinity, and what is not set, is -1.
func amount(r *reader, key string) int64 {
	n := value[uint64](r, key)
	if n > math.MaxInt64 {
		return -1
	}
	return int64(n)
}

func isTimer(name string) bool { return strings.HasSuffix(name, ".timer") }
