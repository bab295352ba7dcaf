package systemd

import "context"

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
