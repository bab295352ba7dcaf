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

// rootVariable names another root file system than the cached one.
const rootVariable = "STACKPOLICY_LAB_ROOT"

// Each runs test as a parallel subtest for each systemd.
func Each(t *testing.T, test func(*testing.T, usermanager.Options)) {
	t.Helper()
	roots := map[string]func(*testing.T) string{"host": func(*testing.T) string { return "" }, "root": Root}
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

// Root is a root file system with another systemd than the host's. The test is
// skipped where there is none and none can be made. Making one takes a minute or
// two, once.
func Root(t *testing.T) string {
	t.Helper()
	if root := os.Getenv(rootVariable); root != "" {
		return root
	}
	err := debian.Available(debian.Trixie)
	if err == nil {
		var root string
		if root, err = debian.Cached(t.Context(), debian.Trixie); err == nil {
			return root
		}
	}
	t.Skipf("%s names no root file system, and none can be made here: %v", rootVariable, err)
	return ""
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
