// Package systems runs a test with several versions of systemd: the host's own, and the one
// in the root file system that STACKPOLICY_LAB_ROOT names, or else in the cached root of
// Debian trixie (see lab/debian). A version that cannot run here is skipped with the reason.
//
// Start at [Each]; [One] takes less time.
package systems

import (
	"testing"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/usermanager"
)

// names are the names of the subtests, the newest systemd first.
var names = []string{"root", "host"}

func options(t *testing.T, name string) usermanager.Options {
	if name == "host" {
		return usermanager.Options{}
	}
	return usermanager.Options{Root: debian.Root(t)}
}

// Each runs test as a parallel subtest for each systemd.
func Each(t *testing.T, test func(*testing.T, usermanager.Options)) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			o := options(t, name)
			if err := usermanager.Available(o); err != nil {
				t.Skip("no user manager can be started here: ", err)
			}
			t.Parallel()
			debian.InTime(t)
			test(t, o)
		})
	}
}

// One runs test with the newest systemd that can run here. It is for tests whose result
// should not depend on the version. With STACKPOLICY_LAB_EACH=1 it does the same as Each.
func One(t *testing.T, test func(*testing.T, usermanager.Options)) {
	t.Helper()
	if debian.Each() {
		Each(t, test)
		return
	}
	t.Parallel()
	debian.InTime(t)
	for _, name := range names {
		done := false
		t.Run(name, func(t *testing.T) {
			o := options(t, name)
			if err := usermanager.Available(o); err != nil {
				t.Skip("no user manager can be started here: ", err)
			}
			done = true
			test(t, o)
		})
		if done {
			return
		}
	}
}

// Start starts a manager that is stopped when the test ends.
func Start(t *testing.T, options usermanager.Options) *usermanager.Manager {
	t.Helper()
	m, err := usermanager.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}
