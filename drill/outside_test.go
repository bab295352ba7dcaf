package drill

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"stackpolicy/lab/usermanager"
)

// TestTheOutsideChanges checks that a change outside of the sandbox during a drill is harm, and
// that it is named.
func TestTheOutsideChanges(t *testing.T) {
	if err := usermanager.Available(usermanager.Options{}); err != nil {
		t.Skipf("no user manager can be started here: %v", err)
	}
	home, runtime := t.TempDir(), t.TempDir()
	unit := filepath.Join(home, "systemd/user/web.service")
	if err := os.MkdirAll(filepath.Dir(unit), 0o755); err != nil {
		t.Fatal(err)
	}
	change := func(int, int, string) {
		for _, path := range []string{unit, filepath.Join(runtime, "new.socket")} {
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
	outside := Outside{ConfigHome: home, StateHome: home, DataHome: filepath.Join(home, "data"), RuntimeDir: runtime}
	r, err := Run(t.Context(), Options{Program: program, Only: []string{"in-order"}, ConfigHome: home, Outside: outside, Progress: change})
	if err != nil {
		t.Fatal(err)
	}
	if r.ExitCode != StatusHarm || !slices.Contains(r.Outside, unit+" is new") || !slices.Contains(r.Outside, filepath.Join(runtime, "new.socket")+" is new") {
		t.Errorf("exit status %d, outside %q", r.ExitCode, r.Outside)
	}
}

// TestChanges checks what counts as a change.
func TestChanges(t *testing.T) {
	before := map[string]string{"a": "1", "b": "1", "c": "1"}
	got := changes(before, map[string]string{"b": "2", "c": "1", "d": "1"})
	if want := []string{"a is gone", "b changed", "d is new"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, passing := range map[string]bool{
		"web.service": false, "run-u12.scope": true, "run-r0123.scope": true, "podman-12.scope": true,
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.timer": true, "podman.service": false,
	} {
		if isPassing(name) != passing {
			t.Errorf("%s comes and goes: %t, want %t", name, !passing, passing)
		}
	}
}

// TestUnknownDrill checks that an unknown name is an error that lists the known ones.
func TestUnknownDrill(t *testing.T) {
	_, err := Run(t.Context(), Options{Only: []string{"stale-unot"}})
	if err == nil || !slices.Contains(Rows(), "stale-unit") {
		t.Fatal(err)
	}
	if want := `no drill is called "stale-unot"; did you mean stale-unit?`; err.Error()[:len(want)] != want {
		t.Errorf("got %v", err)
	}
	seen := map[string]bool{}
	for _, r := range rows() {
		if seen[r.name] || r.does == "" || len(r.name) > 23 {
			t.Errorf("row %q: its name is there twice, or too long, or nothing says what it does", r.name)
		}
		seen[r.name] = true
	}
}
