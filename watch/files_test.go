package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stackpolicy/facts/collect"
)

// watched is a folder with watched places in it.
type watched struct {
	t   *testing.T
	dir string
	p   *pending
	f   *files
	at  []collect.Place
}

// watchPlaces watches places below a new folder, after prepare made what is there.
func watchPlaces(t *testing.T, prepare func(dir string) error, places ...collect.Place) *watched {
	t.Helper()
	dir := t.TempDir()
	w := &watched{t: t, dir: dir, p: newPending()}
	if err := prepare(dir); err != nil {
		t.Fatal(err)
	}
	for _, p := range places {
		w.at = append(w.at, collect.Place{Path: filepath.Join(dir, p.Path), Depth: p.Depth})
	}
	f, err := newFiles(maxFolders)
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	f.fail = func(err error) { t.Error(err) }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = followFiles(ctx, f, w.p, func(string) bool { return false }, func(string) bool { return false })
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = f.notify.Close()
	})
	w.again()
	return w
}

func (w *watched) again() {
	w.t.Helper()
	for added := []string{""}; len(added) > 0; {
		var err error
		if added, err = w.f.watch(filepath.Join(w.dir, "store"), w.at); err != nil {
			w.t.Fatal(err)
		}
	}
}

// sees makes a change and waits until one of the paths is noted; none are wanted with "".
func (w *watched) sees(what string, do func() error, want string) {
	w.t.Helper()
	for quiet := 0; quiet < 2; quiet++ { // what the last change did too
		if w.p.has() {
			quiet = 0
		}
		if w.p.take().structure {
			w.again()
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := do(); err != nil {
		w.t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	if want == "" {
		deadline = time.Now().Add(100 * time.Millisecond)
	}
	seen := []string{}
	for time.Now().Before(deadline) {
		t := w.p.take()
		if t.structure {
			w.again()
		}
		for path := range t.Paths {
			seen = append(seen, path)
		}
		if want != "" && slices.Contains(seen, filepath.Join(w.dir, want)) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	if want != "" || len(seen) > 0 {
		w.t.Errorf("%s: saw %v, want %q", what, seen, want)
	}
}

func write(path, text string) error {
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}

// TestFiles changes what is watched, and what is not.
func TestFiles(t *testing.T) {
	w := watchPlaces(t, func(dir string) error {
		return errors.Join(
			write(dir+"/units/web.service", "x"), write(dir+"/units/web.service.d/a.conf", "x"), write(dir+"/store/hash-web/web.service", "x"),
			write(dir+"/dotfiles/db.service", "x"), write(dir+"/one/file.yaml", "x"), write(dir+"/real/units/c.service", "x"),
			os.Symlink(dir+"/real", dir+"/linked"), os.Symlink("../dotfiles/db.service", dir+"/units/db.service"),
		)
	}, collect.Place{Path: "units", Depth: 2}, collect.Place{Path: "one/file.yaml"}, collect.Place{Path: "none/yet/units", Depth: 2},
		collect.Place{Path: "linked/units", Depth: 2}, collect.Place{Path: "dotfiles/db.service"}, collect.Place{Path: "store/hash-web/web.service"})
	d := w.dir
	w.sees("an edit", func() error { return os.WriteFile(d+"/units/web.service", []byte("y"), 0o644) }, "units/web.service")
	w.sees("another mode", func() error { return os.Chmod(d+"/units/web.service", 0o600) }, "units/web.service")
	w.sees("a new unit", func() error { return write(d+"/units/new.service", "x") }, "units/new.service")
	w.sees("a drop-in", func() error { return write(d+"/units/web.service.d/b.conf", "x") }, "units/web.service.d/b.conf")
	w.sees("a folder of drop-ins", func() error { return os.Mkdir(d+"/units/new.service.d", 0o755) }, "units/new.service.d")
	w.sees("a drop-in in it", func() error { return write(d+"/units/new.service.d/c.conf", "x") }, "units/new.service.d/c.conf")
	w.sees("a link that is replaced", func() error {
		return errors.Join(os.Symlink("elsewhere", d+"/units/tmp"), os.Rename(d+"/units/tmp", d+"/units/db.service"))
	}, "units/db.service")
	w.sees("an edit behind a link", func() error { return os.WriteFile(d+"/dotfiles/db.service", []byte("y"), 0o644) }, "dotfiles/db.service")
	w.sees("something else beside it", func() error { return write(d+"/dotfiles/bashrc", "x") }, "")
	w.sees("one file", func() error { return os.WriteFile(d+"/one/file.yaml", []byte("y"), 0o644) }, "one/file.yaml")
	w.sees("an editor that replaces it", func() error {
		return errors.Join(write(d+"/one/file.yaml~", "z"), os.Rename(d+"/one/file.yaml~", d+"/one/file.yaml"))
	}, "one/file.yaml")
	w.sees("a file beside it", func() error { return write(d+"/one/other", "x") }, "")
	w.sees("a folder on the way", func() error { return os.Mkdir(d+"/none", 0o755) }, "none")
	w.sees("the next", func() error { return os.Mkdir(d+"/none/yet", 0o755) }, "none/yet")
	w.sees("the folder", func() error { return os.Mkdir(d+"/none/yet/units", 0o755) }, "none/yet/units")
	w.sees("a unit in it", func() error { return write(d+"/none/yet/units/late.service", "x") }, "none/yet/units/late.service")
	w.sees("by the name that is searched", func() error { return write(d+"/linked/units/d.service", "x") }, "linked/units/d.service")
	w.sees("a linked folder that leads elsewhere", func() error {
		return errors.Join(os.MkdirAll(d+"/other/units", 0o755), os.Remove(d+"/linked"), os.Symlink(d+"/other", d+"/linked"))
	}, "linked")
	w.sees("a unit there", func() error { return write(d+"/other/units/e.service", "x") }, "linked/units/e.service")
	w.sees("the folder is moved away", func() error { return os.Rename(d+"/units", d+"/away") }, "units")
	w.sees("and back", func() error { return os.Rename(d+"/away", d+"/units") }, "units")
	w.sees("a unit after that", func() error { return write(d+"/units/again.service", "x") }, "units/again.service")
	w.sees("a file of the store that is collected", func() error { return os.RemoveAll(d + "/store/hash-web") }, "store/hash-web/web.service")
	w.sees("the store as a whole", func() error { return write(d+"/store/hash-other/x", "x") }, "")
}

// What is replaced at once, so that nobody can look in between, is watched like what was there.
func TestReplacedFolders(t *testing.T) {
	w := watchPlaces(t, func(dir string) error {
		return errors.Join(write(dir+"/a/units/web.service.d/a.conf", "x"), write(dir+"/b/units/web.service.d/a.conf", "x"), write(dir+"/store/hash/x", "x"))
	}, collect.Place{Path: "a/units", Depth: 2}, collect.Place{Path: "store/hash/x"})
	d := w.dir
	w.sees("a folder that is made again", func() error {
		return errors.Join(os.RemoveAll(d+"/a/units/web.service.d"), os.Mkdir(d+"/a/units/web.service.d", 0o755))
	}, "a/units/web.service.d")
	w.sees("a drop-in in it", func() error { return write(d+"/a/units/web.service.d/b.conf", "x") }, "a/units/web.service.d/b.conf")
	w.sees("a folder that is moved away and back", func() error {
		return errors.Join(os.Rename(d+"/a/units", d+"/away"), os.Rename(d+"/away", d+"/a/units"))
	}, "a/units")
	w.sees("a drop-in in it", func() error { return write(d+"/a/units/web.service.d/c.conf", "x") }, "a/units/web.service.d/c.conf")
	w.sees("a folder that takes the place of another", func() error {
		return errors.Join(os.Rename(d+"/a", d+"/old"), os.Rename(d+"/b", d+"/a"))
	}, "a")
	w.sees("a drop-in in it", func() error { return write(d+"/a/units/web.service.d/d.conf", "x") }, "a/units/web.service.d/d.conf")
	w.sees("the old one", func() error { return write(d+"/old/units/web.service.d/e.conf", "x") }, "")
	w.sees("a folder that is a link to where it is now", func() error {
		return errors.Join(os.Rename(d+"/a/units", d+"/moved"), os.Symlink(d+"/moved", d+"/a/units"))
	}, "a/units")
	w.sees("a drop-in in it", func() error { return write(d+"/moved/web.service.d/f.conf", "x") }, "a/units/web.service.d/f.conf")
	w.sees("a file of the store that is made again", func() error {
		return errors.Join(os.RemoveAll(d+"/store/hash"), write(d+"/store/hash/x", "y"))
	}, "store/hash/x")
	w.sees("and again", func() error { return os.RemoveAll(d + "/store/hash") }, "store/hash/x")
}

// Each folder of many drop-ins is watched, and one that goes is not any more.
func TestManyFolders(t *testing.T) {
	const n = 300
	w := watchPlaces(t, func(dir string) error {
		for i := range n {
			if err := write(fmt.Sprintf("%s/units/u%d.service.d/a.conf", dir, i), "x"); err != nil {
				return err
			}
		}
		return nil
	}, collect.Place{Path: "units", Depth: 2})
	if got := len(w.f.notify.WatchList()); got < n {
		t.Fatalf("%d folders are watched", got)
	}
	w.sees("the last", func() error { return write(fmt.Sprintf("%s/units/u%d.service.d/b.conf", w.dir, n-1), "x") }, fmt.Sprintf("units/u%d.service.d/b.conf", n-1))
	for i := range n {
		if err := os.RemoveAll(fmt.Sprintf("%s/units/u%d.service.d", w.dir, i)); err != nil {
			t.Fatal(err)
		}
	}
	w.again()
	if got := len(w.f.notify.WatchList()); got > n/2 {
		t.Errorf("%d folders are still watched", got)
	}
}

// With more folders than can be watched, something would be missed: that is an error.
func TestTooManyFolders(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int]bool{3: true, 100: false} {
		p := newPlan("/nix/store", limit)
		p.add(collect.Place{Path: dir, Depth: 2})
		if got := p.err != nil; got != want || len(p.folders) > limit {
			t.Errorf("%d folders at most: %d, %v", limit, len(p.folders), p.err)
		}
	}
}

// What changed between the reading of a rule and the moment from which its folder is watched was
// not seen: the configuration is read again.
func TestRewatchReadsTheConfigurationAgain(t *testing.T) {
	dir := t.TempDir()
	rules, other := filepath.Join(dir, "rules"), filepath.Join(dir, "other")
	if err := errors.Join(os.Mkdir(rules, 0o755), os.Mkdir(other, 0o755)); err != nil {
		t.Fatal(err)
	}
	f, err := newFiles(maxFolders)
	if err != nil {
		t.Fatal(err)
	}
	defer f.notify.Close()
	f.fail = func(err error) { t.Error(err) }
	l := &loop{pending: newPending(), configured: []collect.Place{{Path: rules, Depth: 1}}}
	l.use(f)
	l.rewatch()
	if taken := l.pending.take(); !taken.again || taken.asked { // nobody waits for it, so that the service is not reloading
		t.Errorf("%+v, want again, and not asked", taken)
	}
	if l.rewatch(); l.pending.has() {
		t.Error("it is read again although no folder is new")
	}
	if l.hasConfiguration(other) {
		t.Error("the configuration is said to be in a folder beside it")
	}
}

// A source that cannot begin is not ready: else it would be lost and found again each second.
func TestFollowFilesThatCannotBeWatched(t *testing.T) {
	for folders, want := range map[int]bool{1: false, maxFolders: true} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		l := &loop{folders: folders, pending: newPending(), configured: []collect.Place{{Path: t.TempDir(), Depth: 1}}}
		isReady := false
		err := l.followFiles(ctx, func() { isReady = true; cancel() })
		cancel()
		if isReady != want || err == nil {
			t.Errorf("%d folders: ready %t, want %t; %v", folders, isReady, want, err)
		}
	}
}
