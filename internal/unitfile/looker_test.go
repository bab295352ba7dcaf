package unitfile

import (
	"path/filepath"
	"sync"
	"testing"
)

// TestLookerSharesWhatItSaw: many paths to the same folders and files, looked at
// by several at once, are each what they are alone.
func TestLookerSharesWhatItSaw(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"real/deep/x":       "-> y", // relative, and reached through a linked folder
		"real/deep/y":       "x",
		"real/y":            "x",
		"y":                 "wrong",
		"real/x":            "-> y",
		"x":                 "-> y",
		"shortcut":          "-> real/deep",
		"up":                "-> shortcut/../x",
		"over":              "-> shortcut/x",
		"direct":            "-> " + dir + "/real/deep/y",
		"folder.d/a.conf":   "x",
		"linked.d":          "-> folder.d",
		"folder.d/link":     "-> a.conf",
		"wants/one.service": "-> ../y",
		"wants/two.service": "-> ../y",
	})
	paths := []string{"up", "over", "direct", "linked.d/a.conf", "linked.d/link", "folder.d/a.conf", "wants/one.service", "wants/two.service", "nothing"}
	l := NewLooker("")
	var all sync.WaitGroup
	for range 4 {
		for _, p := range paths {
			all.Go(func() {
				path := filepath.Join(dir, p)
				want, err := Stat(t.Context(), path, "")
				if err != nil {
					t.Error(err)
				}
				if got, err := l.Stat(t.Context(), path); err != nil || got != want {
					t.Errorf("%s: %+v, %v; want %+v", p, got, err, want)
				}
			})
		}
	}
	all.Wait()
	if f, err := l.Stat(t.Context(), filepath.Join(dir, "up")); err != nil || f.Target != filepath.Join(dir, "real/y") {
		t.Errorf("up leads to %q, %v", f.Target, err)
	}
}
