package systemd

import "context"

// UnitsBothWays reads units directly and over the connection's own library.
// Every other one counts as idle: that must make no difference.
func (c *Conn) UnitsBothWays(ctx context.Context, names []string) (direct, general []Unit, errs [2]error) {
	if w := c.direct(ctx); w != nil {
		direct, errs[0] = readUnits(ctx, w, names, func(name string) bool { return len(name)%2 == 0 })
		direct, errs[0] = c.withMute(ctx, names, direct, errs[0])
		_ = w.Close()
	}
	general, errs[1] = c.units(ctx, names)
	return direct, general, errs
}
