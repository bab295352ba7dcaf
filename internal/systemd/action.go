package systemd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// ErrRateLimited means that the manager refused a reload because of its
// ReloadLimitBurst= (systemd-system.conf(5), since 253). Nothing was changed.
var ErrRateLimited = errors.New("the manager's reload rate limit is reached")

// Reload lets the manager read every unit file again. It returns when that is complete.
func (c *Conn) Reload(ctx context.Context) error {
	err := c.call(ctx, "Reload").Err
	var bus dbus.Error
	if errors.As(err, &bus) && bus.Name == "org.freedesktop.DBus.Error.LimitsExceeded" {
		return ErrRateLimited
	}
	if err != nil {
		return fmt.Errorf("reload the manager: %w", err)
	}
	return nil
}

// Begin starts a unit of this program's own, and waits for nothing.
func (c *Conn) Begin(ctx context.Context, name string) error {
	if err := c.call(ctx, "StartUnit", name, "replace").Err; err != nil {
		return fmt.Errorf("start unit %q: %w", name, err)
	}
	return nil
}

// ResetFailed lets the manager forget the failed state of a unit.
func (c *Conn) ResetFailed(ctx context.Context, name string) error {
	if err := c.call(ctx, "ResetFailedUnit", name).Err; err != nil {
		return fmt.Errorf("reset failed unit %q: %w", name, err)
	}
	return nil
}

// Restart restarts a unit that runs, and waits for the end of the job. It does not start a
// stopped unit (TryRestart). Any job result except "done" is an error.
func (c *Conn) Restart(ctx context.Context, name string) error {
	signals := make(chan *dbus.Signal, 1024) // a reload or a large target sends very many
	c.bus.Signal(signals)
	defer c.bus.RemoveSignal(signals)
	if err := c.subscribe(ctx); err != nil {
		return err
	}
	var job dbus.ObjectPath
	if err := c.call(ctx, "TryRestartUnit", name, "replace").Store(&job); err != nil {
		return fmt.Errorf("restart unit %q: %w", name, err)
	}
	result, err := waitForJob(ctx, signals, job)
	if err != nil {
		return fmt.Errorf("restart unit %q: %w", name, err)
	}
	if result != "done" {
		return fmt.Errorf("restart unit %q: the job ended with %q", name, result)
	}
	return nil
}

func (c *Conn) subscribe(ctx context.Context) error {
	if c.transport == Bus { // a private connection gets every signal and knows no match rules
		err := c.bus.AddMatchSignalContext(ctx,
			dbus.WithMatchInterface(managerIface), dbus.WithMatchMember("JobRemoved"))
		if err != nil {
			return fmt.Errorf("ask for job signals: %w", err)
		}
	}
	if err := c.call(ctx, "Subscribe").Err; err != nil {
		return fmt.Errorf("subscribe to the manager: %w", err)
	}
	return nil
}

// waitForJob returns the result of a job: done, canceled, timeout, failed,
// dependency or skipped.
func waitForJob(ctx context.Context, signals <-chan *dbus.Signal, job dbus.ObjectPath) (string, error) {
	for {
		select {
		case s, ok := <-signals:
			if !ok {
				return "", errors.New("the connection ended before the job did")
			}
			if s.Name != managerIface+".JobRemoved" || len(s.Body) < 4 || s.Body[1] != job {
				continue
			}
			result, _ := s.Body[3].(string)
			return result, nil
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the job: %w", ctx.Err())
		}
	}
}

// User is a user's manager, with a new connection for each action.
type User struct {
	RuntimeDir string // $XDG_RUNTIME_DIR
	BusAddress string // see [DialUser]
}

// Reload is [Conn.Reload].
func (u *User) Reload(ctx context.Context) error {
	return u.with(ctx, func(c *Conn) error { return c.Reload(ctx) })
}

// ResetFailed is [Conn.ResetFailed].
func (u *User) ResetFailed(ctx context.Context, unit string) error {
	return u.with(ctx, func(c *Conn) error { return c.ResetFailed(ctx, unit) })
}

// Restart is [Conn.Restart].
func (u *User) Restart(ctx context.Context, unit string) error {
	return u.with(ctx, func(c *Conn) error { return c.Restart(ctx, unit) })
}

// Job returns the type of the job that is queued or runs for a unit now, such as stop or
// restart; "" without a job.
func (u *User) Job(ctx context.Context, unit string) (job string, err error) {
	err = u.with(ctx, func(c *Conn) error {
		units, err := c.ListUnits(ctx)
		for _, listed := range units {
			if listed.Name == unit {
				job = listed.Job
			}
		}
		return err
	})
	return job, err
}

// StopTimeout returns how long a service may take to stop (TimeoutStopSec= of
// systemd.service(5)); -1 without a limit.
func (u *User) StopTimeout(ctx context.Context, unit string) (time.Duration, error) {
	return u.span(ctx, unit, "TimeoutStopUSec")
}

// StartTimeout returns how long each command of a service's start may take
// (TimeoutStartSec= of systemd.service(5)); -1 without a limit.
func (u *User) StartTimeout(ctx context.Context, unit string) (time.Duration, error) {
	return u.span(ctx, unit, "TimeoutStartUSec")
}

// span reads a property of a service that is a span of time.
func (u *User) span(ctx context.Context, unit, property string) (value time.Duration, err error) {
	err = u.with(ctx, func(c *Conn) error {
		call := c.bus.Object(destination, unitPath(unit)).GoWithContext(ctx, getOne, dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), serviceIface, property)
		var v dbus.Variant
		if err := await(ctx, call, &v); err != nil {
			return unread(unit, property, err)
		}
		usec, isNumber := v.Value().(uint64)
		if !isNumber {
			return unread(unit, property, fmt.Errorf("it is a %s", v.Signature()))
		}
		value = span(usec)
		return nil
	})
	return value, err
}

// Restarts returns how often a service was restarted automatically since it was last
// started otherwise (NRestarts= of systemctl(1) show).
func (u *User) Restarts(ctx context.Context, unit string) (n int, err error) {
	err = u.with(ctx, func(c *Conn) error {
		units, err := c.Units(ctx, []string{unit}, nil)
		if err == nil && units[0].Service != nil {
			n = units[0].Service.Restarts
		}
		return err
	})
	return n, err
}

func (u *User) with(ctx context.Context, act func(*Conn) error) error {
	c, err := DialUser(ctx, u.RuntimeDir, u.BusAddress)
	if err != nil {
		return err
	}
	defer c.Close()
	return act(c)
}
