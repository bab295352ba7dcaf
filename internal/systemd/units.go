package systemd

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// Units reads the named units, loading those that are not in memory, with many
// calls under way at once. The result is in the order of names. The first
// failing call fails the whole: a partial answer would pass for a complete one.
//
// idle reports whether a unit is not in memory; nil takes all as in memory. It
// only decides how fast they are read.
//
// It asks over the manager's own socket where that can be reached, which takes
// a fraction of the time (see package wire), and else over this connection.
func (c *Conn) Units(ctx context.Context, names []string, idle func(string) bool) ([]Unit, error) {
	if idle == nil {
		idle = func(string) bool { return false }
	}
	if direct := c.direct(ctx); direct != nil {
		defer direct.Close()
		return readUnits(ctx, direct, names, idle)
	}
	return c.units(ctx, names)
}

// units reads them over this connection.
func (c *Conn) units(ctx context.Context, names []string) ([]Unit, error) {
	const underWay = 64
	pending := make([]pendingUnit, len(names))
	units := make([]Unit, len(names))
	for i := range len(names) + underWay {
		if i < len(names) {
			pending[i] = c.ask(ctx, names[i])
		}
		done := i - underWay
		if done < 0 || done >= len(names) {
			continue
		}
		u, err := pending[done].wait(ctx, names[done])
		if err != nil {
			return nil, err
		}
		units[done], pending[done] = u, pendingUnit{}
	}
	return units, nil
}

// ReloadResults returns how the last ExecReload= of each service ended, in systemd's words:
// success, exit-code, timeout, …. A start sets it to success.
func (c *Conn) ReloadResults(ctx context.Context, names []string) (map[string]string, error) {
	const property = "ReloadResult"
	calls := make([]*dbus.Call, len(names))
	for i, name := range names {
		calls[i] = c.bus.Object(destination, unitPath(name)).
			GoWithContext(ctx, getOne, dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), serviceIface, property)
	}
	results := make(map[string]string, len(names))
	for i, name := range names {
		var v dbus.Variant
		err := await(ctx, calls[i], &v)
		result, isText := v.Value().(string)
		if err == nil && !isText {
			err = fmt.Errorf("it is no text: %v", v)
		}
		if err != nil {
			return nil, unread(name, property, err)
		}
		results[name] = result
	}
	return results, nil
}

// pendingUnit is the calls under way for one unit.
type pendingUnit struct {
	unit    *dbus.Call
	service []*dbus.Call
}

func (c *Conn) ask(ctx context.Context, name string) pendingUnit {
	o := c.bus.Object(destination, unitPath(name))
	p := pendingUnit{unit: o.GoWithContext(ctx, getAll, dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), unitIface)}
	if !isService(name) {
		return p
	}
	for _, prop := range serviceProps {
		p.service = append(p.service,
			o.GoWithContext(ctx, getOne, dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), serviceIface, prop))
	}
	return p
}

func (p pendingUnit) wait(ctx context.Context, name string) (Unit, error) {
	var props map[string]dbus.Variant
	if err := await(ctx, p.unit, &props); err != nil {
		return Unit{}, unread(name, "", err)
	}
	values := plain(props)
	for i, call := range p.service {
		var v dbus.Variant
		if err := await(ctx, call, &v); err != nil {
			return Unit{}, unread(name, serviceProps[i], err)
		}
		values[serviceProps[i]] = v.Value()
	}
	return unitOf(name, values)
}

func await(ctx context.Context, call *dbus.Call, out any) error {
	select {
	case done := <-call.Done:
		return done.Store(out)
	case <-ctx.Done():
		return ctx.Err()
	}
}
