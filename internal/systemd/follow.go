package systemd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// Event says that something of a manager has changed.
type Event struct {
	Unit   string // the unit that changed; "" if it is about the manager as a whole
	Reload bool   // a reload began or ended, or the manager was executed again: everything may have changed
}

// Bounds of [FollowUser]. They are larger than a call usually takes, because a manager that
// reloads thousands of units answers only afterwards.
const (
	subscribeTime = 30 * time.Second
	absentTime    = 10 * time.Second // from the manager's end on the bus to its next process there
)

var (
	errEnded = errors.New("the connection to the manager ended")
	errLeft  = errors.New("the manager left the bus")
)

// FollowUser calls changed for each event of the user manager until ctx ends or the
// connection does, and returns why. Its parameters are those of [DialUser]. It calls ready
// once, before it calls changed: a change after that is not missed. After it returned,
// anything may have changed.
//
// changed is not called by two goroutines at once. While it runs, equal events become one.
// Above 4,096 different events, one Event{Reload: true} replaces them. So a slow changed
// costs no memory, and does not stop the manager.
//
// If the manager is executed again (systemctl daemon-reexec), a connection through the bus
// goes on, with Event{Reload: true}. One over the private socket ends. A manager that hangs
// sends no events, and this function does not notice it.
//
// A start, a stop, a failure and an automatic restart are events of the unit, with all that
// ActiveState, SubState, Result and NRestarts say. These are none, so other ways have to
// find them: a change on disk, a link that masks a unit, systemctl set-property. To read a
// unit that is not in memory is no event either, but the first time it can be one of the
// units that it names. From a call that stops a unit to the event it took 15 ms in the
// middle, 0.2 s at most (two busy cores). All this was seen with systemd 252 and 257.
//
// Any process of the account can send signals on the bus, so an event proves nothing: it is
// a reason to read the unit.
func FollowUser(ctx context.Context, runtimeDir, busAddress string, ready func(), changed func(Event)) error {
	events := newEvents()
	c, err := dialToFollow(ctx, runtimeDir, busAddress, events)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.subscribeToAll(ctx); err != nil {
		return err
	}
	ready()
	return c.follow(ctx, events, changed)
}

func dialToFollow(ctx context.Context, runtimeDir, busAddress string, events *events) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, subscribeTime)
	defer cancel()
	return dialUser(ctx, runtimeDir, busAddress, dbus.WithSignalHandler(events), dbus.WithIncomingInterceptor(ignoreOdd))
}

// subscribeToAll asks for the signals. On the manager's own socket every connection gets
// them unasked (seen with systemd 252 and 257).
func (c *Conn) subscribeToAll(ctx context.Context) error {
	if c.transport != Bus {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, subscribeTime)
	defer cancel()
	fromManager := dbus.WithMatchSender(destination)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, destination)},
		{fromManager, dbus.WithMatchInterface(managerIface), dbus.WithMatchObjectPath(managerPath)},
		{fromManager, dbus.WithMatchInterface(propertiesIface), dbus.WithMatchMember("PropertiesChanged"), dbus.WithMatchPathNamespace(unitNamespace)},
	} {
		if err := c.bus.AddMatchSignalContext(ctx, match...); err != nil {
			return fmt.Errorf("ask for the manager's signals: %w", err)
		}
	}
	return c.subscribeAgain(ctx)
}

// subscribeAgain lets the manager send signals to the bus. One that was executed again
// remembers that (252 and 257), but another one that takes its place does not.
func (c *Conn) subscribeAgain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, subscribeTime)
	defer cancel()
	err := c.call(ctx, "Subscribe").Err
	var refusal dbus.Error
	if errors.As(err, &refusal) && refusal.Name == destination+".AlreadySubscribed" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("subscribe to the manager: %w", err)
	}
	return nil
}

// follow hands on the events.
func (c *Conn) follow(ctx context.Context, events *events, changed func(Event)) error {
	var left <-chan time.Time // set while no manager is on the bus
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.bus.Context().Done():
			return errEnded
		case <-left:
			return errLeft
		case <-events.wake:
		}
		list, owner := events.take()
		switch {
		case owner == nil:
		case *owner == "":
			left = time.After(absentTime)
		default:
			left = nil
			if err := c.subscribeAgain(ctx); err != nil {
				return err
			}
			list = append(list, Event{Reload: true})
		}
		for _, event := range list {
			changed(event)
		}
	}
}
