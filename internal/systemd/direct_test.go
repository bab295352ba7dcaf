package systemd

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func beganAt(usec uint64, more map[string]any) map[string]any {
	answers := up(more)
	answers["Get"] = dbus.MakeVariant(usec)
	return answers
}

// TestDirectIsTheSameManager: units come from the manager that the connection
// leads to, whoever else listens on the private socket.
func TestDirectIsTheSameManager(t *testing.T) {
	own := peer(t, replies(beganAt(7, nil)))
	for name, tc := range map[string]struct {
		dir  string
		want bool
	}{
		"the same":            {own, true},
		"another one":         {peer(t, replies(beganAt(8, nil))), false},
		"one that tells not":  {peer(t, replies(up(nil))), false},
		"one that hangs":      {peer(t, replies(nil)), false},
		"one that is no peer": {peer(t, silent), false},
		"none":                {t.TempDir(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := DialUser(t.Context(), own, "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.private = filepath.Join(tc.dir, "systemd", "private")
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			w := c.direct(ctx)
			if (w != nil) != tc.want {
				t.Errorf("direct: %t, want %t", w != nil, tc.want)
			}
			if w != nil {
				w.Close()
			}
		})
	}
}

// TestDirectFails: what goes wrong once the manager is reached is told, with
// the unit where it is about one.
func TestDirectFails(t *testing.T) {
	for name, tc := range map[string]struct {
		answer any
		want   []string
	}{
		"refuses":            {dbus.Error{Name: "org.example.Refused"}, []string{`"a.timer"`, "org.example.Refused"}},
		"nonsense":           {"text", []string{`"a.timer"`, `type "s"`}},
		"closes":             {"close", []string{"directly"}},
		"hangs":              {nil, []string{"directly", "deadline"}},
		"a part":             {map[string]dbus.Variant{"Id": dbus.MakeVariant("a.timer")}, []string{`"a.timer"`, "missing", "LoadState"}},
		"of another type":    {map[string]dbus.Variant{"Id": dbus.MakeVariant(1)}, []string{`"a.timer"`, "unknown type", "Id"}},
		"of an unread type":  {map[string]dbus.Variant{"Names": dbus.MakeVariant(1.5)}, []string{`"a.timer"`, "unknown type", "Names"}},
		"nothing altogether": {map[string]dbus.Variant{}, []string{`"a.timer"`, "missing", "ActiveEnterTimestamp"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := beganAt(7, map[string]any{"GetAll": tc.answer})
			if tc.answer == nil {
				delete(answers, "GetAll")
			}
			c, err := DialUser(t.Context(), peer(t, replies(answers)), "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = within(t, 300*time.Millisecond, func(ctx context.Context) error {
				_, err := c.Units(ctx, []string{"a.timer"}, nil)
				return err
			})
			for _, part := range tc.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %q in it", err, part)
				}
			}
		})
	}
}
