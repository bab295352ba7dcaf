// Package systems runs a test on every systemd that can be had: the host's
// own, and the one in the root file system that STACKPOLICY_LAB_ROOT names, or
// else in the cached one of Debian trixie (see lab/debian). What cannot run is
// skipped with its reason.
package systems

import (
	"os"
	"testing"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/usermanager"
)

// names of the systems, the newest first.
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
			test(t, o)
		})
	}
}

// One runs test, whose claim hardly depends on the version of systemd, on the newest that can be had.
// With STACKPOLICY_LAB_EACH=1 it runs on each.
func One(t *testing.T, test func(*testing.T, usermanager.Options)) {
	t.Helper()
	if os.Getenv("STACKPOLICY_LAB_EACH") == "1" {
		Each(t, test)
		return
	}
	t.Parallel()
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

// Start starts a manager that ends with the test.
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
