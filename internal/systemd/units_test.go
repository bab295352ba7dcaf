package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/internal/systemd"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// readBothWays makes sure that units read directly are those that are read over
// the general library: all in memory, and some that are not.
func readBothWays(ctx context.Context, c *systemd.Conn) error {
	listed, err := c.ListUnits(ctx)
	if err != nil {
		return err
	}
	names := []string{"absent.service", "absent.timer", `odd\x2dname.service`, "mute.service", "absent@one.service", "1st.target"}
	for _, l := range listed {
		names = append(names, l.Name)
	}
	for range 4 { // more than may be under way at a time
		names = append(names, names...)
	}
	direct, general, errs := c.UnitsBothWays(ctx, names)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if d := cmp.Diff(general, direct); d != "" {
		return fmt.Errorf("-general +direct\n%.4000s", d)
	}
	mute := func(u systemd.Unit) bool {
		return u.ID == "mute.service" && u.IsMute && u.Description == "It is read" && u.Service != nil
	}
	if !slices.ContainsFunc(direct, mute) || slices.ContainsFunc(direct, func(u systemd.Unit) bool { return u.IsMute && !mute(u) }) {
		return errors.New("mute.service, and no other unit, is to be mute")
	}
	details, err := c.Details(ctx, []string{"mute.service", "up.service", "absent.timer"})
	if err != nil {
		return err
	}
	for _, d := range details[:2] {
		if !slices.Contains(d.Requires, "basic.target") || len(d.After) == 0 || d.Service == nil || d.Service.Restart != "no" || d.Timer != nil {
			return fmt.Errorf("details %+v", d)
		}
	}
	if details[2].Timer == nil {
		return fmt.Errorf("details of a timer: %+v", details[2])
	}
	return refusedBothWays(ctx, c)
}

// refusedBothWays: a name that the manager refuses fails the whole, either way.
func refusedBothWays(ctx context.Context, c *systemd.Conn) error {
	direct, general, errs := c.UnitsBothWays(ctx, []string{"up.service", "no-type", "stopped.service"})
	for _, err := range errs {
		if err == nil || !strings.Contains(err.Error(), `"no-type"`) {
			return fmt.Errorf("of a refused name: %v", errs)
		}
	}
	if direct != nil || general != nil {
		return fmt.Errorf("a part was read: %v, %v", direct, general)
	}
	return nil
}

// TestUnitsBothWays: both ways of reading units say the same.
func TestUnitsBothWays(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options)
		for _, transport := range []string{systemd.Bus, systemd.Private} {
			s.act(transport+" read-both-ways", "")
		}
	})
}
