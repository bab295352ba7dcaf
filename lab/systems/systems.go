// Package systems runs a test on every systemd that can be had: the host's
// own, and the one in the root file system that STACKPOLICY_LAB_ROOT names, or
// else in the cached one of Debian trixie (see lab/debian). What cannot run is
// skipped with its reason.
package systems

import (
	"testing"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/usermanager"
)

// Each runs test as a parallel subtest for each systemd.
func Each(t *testing.T, test func(*testing.T, usermanager.Options)) {
	t.Helper()
	roots := map[string]func(*testing.T) string{"host": func(*testing.T) string { return "" }, "root": func(t *testing.T) string { return debian.Root(t) }}
	for _, name := range []string{"host", "root"} {
		t.Run(name, func(t *testing.T) {
			options := usermanager.Options{Root: roots[name](t)}
			if err := usermanager.Available(options); err != nil {
				t.Skip("no user manager can be started here: ", err)
			}
			t.Parallel()
			test(t, options)
		})
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
