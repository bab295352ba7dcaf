package systemd

import (
	"context"
	"errors"
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
	direct := c.direct(ctx)
	if direct == nil {
		return c.units(ctx, names)
	}
	defer direct.Close()
	units, err := readUnits(ctx, direct, names, idle)
	return c.withMute(ctx, names, units, err)
}

// withMute reads the units that are mute, which have nothing else yet.
func (c *Conn) withMute(ctx context.Context, names []string, units []Unit, err error) ([]Unit, error) {
	for i := range units {
		if err == nil && units[i].IsMute {
			units[i], err = c.mute(ctx, names[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return units, nil
}

// mute reads what a unit that is mute can say, each property by itself.
func (c *Conn) mute(ctx context.Context, name string) (Unit, error) {
	const drops = "DropInPaths"
	o, calls := c.bus.Object(destination, unitPath(name)), map[string]*dbus.Call{}
	for property := range unitProps {
		if property != drops {
			calls[property] = one(ctx, o, unitIface, property)
		}
	}
	if isService(name) {
		for _, property := range serviceProps {
			calls[property] = one(ctx, o, serviceIface, property)
		}
	}
	values := map[string]any{drops: []string(nil)}
	for property, call := range calls {
		var v dbus.Variant
		err := await(ctx, call, &v)
		var bus dbus.Error
		if errors.As(err, &bus) && bus.Name == "org.freedesktop.DBus.Error.UnknownProperty" {
			continue // as UpheldBy before systemd 254
		}
		if err != nil {
			return Unit{}, unread(name, property, err)
		}
		values[property] = v.Value()
	}
	u, err := unitOf(name, values)
	u.IsMute = true
	return u, err
}

func one(ctx context.Context, o dbus.BusObject, iface, property string) *dbus.Call {
	return o.GoWithContext(ctx, getOne, dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), iface, property)
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
	return c.withMute(ctx, names, units, nil)
}

// ReloadResults returns how the last ExecReload= of each service ended, in systemd's words:
// success, exit-code, timeout, …. A start sets it to success.
func (c *Conn) ReloadResults(ctx context.Context, names []string) (map[string]string, error) {
	const property = "ReloadResult"
	calls := make([]*dbus.Call, len(names))
	for i, name := range names {
		calls[i] = one(ctx, c.bus.Object(destination, unitPath(name)), serviceIface, property)
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
		p.service = append(p.service, one(ctx, o, serviceIface, prop))
	}
	return p
}

func (p pendingUnit) wait(ctx context.Context, name string) (Unit, error) {
	var props map[string]dbus.Variant
	if err := await(ctx, p.unit, &props); isMute(err) {
		return Unit{IsMute: true}, nil
	} else if err != nil {
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
