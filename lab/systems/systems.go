// Package systems runs a test on every systemd that can be had: the host's
// own, and the one in the root file system that STACKPOLICY_LAB_ROOT names
// (lab/root makes one). What cannot run is skipped with its reason.
package systems

import (
	"os"
	"testing"

	"stackpolicy/lab/usermanager"
)

// Each runs test as a parallel subtest for each systemd.
func Each(t *testing.T, test func(*testing.T, usermanager.Options)) {
	t.Helper()
	roots := map[string]string{"host": "", "root": os.Getenv("STACKPOLICY_LAB_ROOT")}
	for _, name := range []string{"host", "root"} {
		t.Run(name, func(t *testing.T) {
			options := usermanager.Options{Root: roots[name]}
			if name == "root" && options.Root == "" {
				t.Skip("STACKPOLICY_LAB_ROOT names no root file system; make one with: go run ./lab/root trixie DIR")
			}
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
