package collect

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// Drop-ins are named by the path under which systemd searched them. Those of a unit whose
// drop-ins the manager cannot say are those on disk that count.
func TestNamed(t *testing.T) {
	high, low := filepath.Join(t.TempDir(), "high"), filepath.Join(t.TempDir(), "low")
	elsewhere := t.TempDir()
	for _, path := range []string{
		filepath.Join(high, "web.service.d", "a.conf"), filepath.Join(low, "web.service.d", "a.conf"),
		filepath.Join(low, "web.service.d", "b\xff.conf"), filepath.Join(elsewhere, "c.conf"),
	} {
		rewrite(t, path)
	}
	if err := os.Symlink(elsewhere, filepath.Join(low, "web-.service.d")); err != nil {
		t.Fatal(err)
	}
	index, err := unitfile.ReadIndex(t.Context(), []string{high, low})
	if err != nil {
		t.Fatal(err)
	}
	at := func(dir, name string) string { return filepath.Join(dir, "web.service.d", name) }
	names := []string{"web.service"}
	for name, c := range map[string]struct {
		index *unitfile.Index
		unit  systemd.Unit
		want  []string
	}{
		"as loaded":                {index, systemd.Unit{DropInPaths: []string{at(high, "a.conf")}}, []string{at(high, "a.conf")}},
		"loaded and gone":          {index, systemd.Unit{DropInPaths: []string{at(high, "z.conf")}}, []string{at(high, "z.conf")}},
		"none":                     {index, systemd.Unit{}, []string{}},
		"cannot be said":           {index, systemd.Unit{IsMute: true}, []string{at(high, "a.conf"), at(low, "b\xff.conf")}},
		"no index":                 {nil, systemd.Unit{DropInPaths: []string{"/x"}}, []string{"/x"}},
		"no index, cannot be said": {nil, systemd.Unit{IsMute: true}, []string{}},
	} {
		if got := named(c.index, names, c.unit); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	linked := systemd.Unit{DropInPaths: []string{filepath.Join(elsewhere, "c.conf")}}
	if got, want := named(index, []string{"web-app.service"}, linked), []string{filepath.Join(low, "web-.service.d", "c.conf")}; !slices.Equal(got, want) {
		t.Errorf("in a linked folder: %q, want %q", got, want)
	}
}
