// Package systemd talks to a systemd manager over D-Bus: to a user's or to the machine's. It
// never starts a bus, a manager or a unit automatically.
//
// Start at [DialUser].
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	destination     = "org.freedesktop.systemd1"
	managerPath     = dbus.ObjectPath("/org/freedesktop/systemd1")
	managerIface    = destination + ".Manager"
	unitIface       = destination + ".Unit"
	serviceIface    = destination + ".Service"
	timerIface      = destination + ".Timer"
	propertiesIface = "org.freedesktop.DBus.Properties"
	getAll          = propertiesIface + ".GetAll"
	getOne          = propertiesIface + ".Get"
)

// How a manager is reached.
const (
	Bus     = "bus"     // through a message bus
	Private = "private" // through the manager's own socket, without a bus
)

// Conn is a connection to one manager. Close it when done.
type Conn struct {
	bus       *dbus.Conn
	transport string
	private   string // a socket on which the same manager may answer; "" when there is no such socket
	began     uint64 // the manager's property of that name; 0 is not known
}

// DialUser connects to the user manager with this runtimeDir ($XDG_RUNTIME_DIR), over the
// user bus at busAddress (default: runtimeDir/bus) or, if it does not answer on a bus, over
// its private socket. ctx only bounds the connecting.
func DialUser(ctx context.Context, runtimeDir, busAddress string) (*Conn, error) {
	return dialUser(ctx, runtimeDir, busAddress)
}

func dialUser(ctx context.Context, runtimeDir, busAddress string, options ...dbus.ConnOption) (*Conn, error) {
	if busAddress == "" {
		busAddress = unixAddress(filepath.Join(runtimeDir, "bus"))
	}
	private := filepath.Join(runtimeDir, "systemd", "private")
	c, busErr := dialBus(ctx, busAddress, options...)
	if busErr != nil {
		var err error
		if c, err = dialPrivate(ctx, private, options...); err != nil {
			return nil, fmt.Errorf("reach the user manager: %w", errors.Join(busErr, err))
		}
	}
	c.private = private
	return c, nil
}

// DialSystem connects to the machine's manager over the system bus.
func DialSystem(ctx context.Context) (*Conn, error) {
	address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = unixAddress("/run/dbus/system_bus_socket")
	}
	return dialBus(ctx, address)
}

// Transport returns how the manager is reached: [Bus] or [Private].
func (c *Conn) Transport() string { return c.transport }

// Close ends the connection.
func (c *Conn) Close() error { return c.bus.Close() }

func unixAddress(path string) string {
	return "unix:path=" + dbus.EscapeBusAddressValue(path)
}

func dialBus(ctx context.Context, address string, options ...dbus.ConnOption) (*Conn, error) {
	return dial(ctx, address, options, func(bus *dbus.Conn) (*Conn, error) {
		if err := bus.Hello(); err != nil {
			return nil, fmt.Errorf("greet the bus at %s: %w", address, err)
		}
		c := &Conn{bus: bus, transport: Bus}
		if err := c.answers(ctx); err != nil {
			return nil, fmt.Errorf("ask systemd on the bus at %s: %w", address, err)
		}
		return c, nil
	})
}

func dialPrivate(ctx context.Context, socket string, options ...dbus.ConnOption) (*Conn, error) {
	return dial(ctx, unixAddress(socket), options, func(bus *dbus.Conn) (*Conn, error) {
		c := &Conn{bus: bus, transport: Private}
		if err := c.answers(ctx); err != nil {
			return nil, fmt.Errorf("ask systemd at %s: %w", socket, err)
		}
		return c, nil
	})
}

// dial connects, authenticates and greets. godbus has no deadline there, so the
// connection is closed under it when ctx ends.
func dial(ctx context.Context, address string, options []dbus.ConnOption, greet func(*dbus.Conn) (*Conn, error)) (*Conn, error) {
	if err := isLocal(address); err != nil {
		return nil, err
	}
	bus, err := dbus.Dial(address, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = bus.Close() })
	defer stop()
	if err := bus.Auth(nil); err != nil {
		return nil, errors.Join(fmt.Errorf("authenticate at %s: %w", address, err), ctx.Err(), bus.Close())
	}
	c, err := greet(bus)
	if err != nil {
		return nil, errors.Join(err, ctx.Err(), bus.Close())
	}
	return c, nil
}

// isLocal refuses addresses over which another machine could answer, or a program be started.
func isLocal(address string) error {
	for one := range strings.SplitSeq(address, ";") {
		if !strings.HasPrefix(one, "unix:") {
			return fmt.Errorf("the bus address %.200q is not local; want unix:path=…", address)
		}
	}
	return nil
}

// probeTime bounds the first answer of a manager.
const probeTime = 2 * time.Second

// began returns when a manager's process began, in microseconds: two connections with the
// same value lead to the same manager.
const began = "UserspaceTimestamp"

// answers asks until the manager answers. On the manager's own socket once is not enough: it
// does not read a call that arrives together with the end of the handshake, until more
// arrives (seen with systemd 252 and 257).
func (c *Conn) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		call := c.manager().GoWithContext(ctx, getOne, dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), managerIface, began)
		select {
		case answer := <-call.Done:
			var v dbus.Variant
			err := answer.Store(&v)
			c.began, _ = v.Value().(uint64)
			return err
		case <-time.After(wait):
		}
	}
}

func (c *Conn) manager() dbus.BusObject { return c.bus.Object(destination, managerPath) }

func (c *Conn) call(ctx context.Context, method string, args ...any) *dbus.Call {
	return c.manager().CallWithContext(ctx, managerIface+"."+method, dbus.FlagNoAutoStart, args...)
}
