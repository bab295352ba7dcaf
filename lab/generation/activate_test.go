package generation

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNextGeneration(t *testing.T) {
	l := newLab(t)
	const gone = ".config/systemd/user/gone.target.wants/web.service"
	first := web("one")
	first.Links = map[string]string{gone: "../web.service"}
	l.activate(l.build(first))
	l.put(".config/systemd/user/mine.service", "my own")
	second := l.build(web("two"))
	l.activate(second)

	want := map[string]string{
		unit:                                filepath.Join(second.HomeFiles, unit),
		".config/systemd/user/mine.service": "a file",
		".local/state/home-manager/gcroots/current-home": second.Path,
	}
	if diff := cmp.Diff(want, tree(t, l.home)); diff != "" {
		t.Errorf("the home (-want +got):\n%s", diff)
	}
	if exists(l.path(filepath.Dir(gone))) {
		t.Error("the empty wants folder is left")
	}
}

func TestCleanLeavesWhatIsNotOurs(t *testing.T) {
	l := newLab(t)
	first := web("one")
	first.Files["other"] = "x"
	l.activate(l.build(first))
	if err := os.Remove(l.path("other")); err != nil {
		t.Fatal(err)
	}
	l.put("other", "my own")
	l.activate(l.build(web("two")))
	if got, err := os.ReadFile(l.path("other")); string(got) != "my own" {
		t.Errorf("a file of one's own: %q, %v", got, err)
	}
}

func TestRelink(t *testing.T) {
	for name, relink := range map[string]bool{"older, re-creates": true, "newer, leaves alone": false} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.options.Relink = relink
			built := l.build(web("one"))
			l.activate(built)
			before := inode(t, l.path(unit))
			l.activate(built)
			if got := inode(t, l.path(unit)) != before; got != relink {
				t.Errorf("re-created: %v, want %v", got, relink)
			}
		})
	}
}

func inode(t *testing.T, name string) uint64 {
	t.Helper()
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// TestExistingFiles checks what activation does with files that exist in the home.
func TestExistingFiles(t *testing.T) {
	regular := func(text string) func(*lab) { return func(l *lab) { l.put(unit, text) } }
	link := func(target string) func(*lab) {
		return func(l *lab) {
			l.put(unit, "")
			if err := errors.Join(os.Remove(l.path(unit)), os.Symlink(target, l.path(unit))); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	older := func(l *lab) {
		l.activate(l.build(web("older")))
		if err := os.Remove(l.path(".local/state/home-manager/gcroots/current-home")); err != nil {
			l.t.Fatal(err)
		}
	}
	dangling := func(l *lab) { link(l.store + "/gone-home-manager-files/" + unit)(l) }
	folder := func(l *lab) { l.put(unit+"/x", "") }
	tests := map[string]struct {
		way           func(*lab)
		force, backup bool
		want          string // linked, kept, collision or broken
	}{
		"own link":                       {way: older, want: "linked"},
		"own dangling link":              {way: dangling, want: "linked"},
		"different file":                 {way: regular("other"), want: "collision"},
		"different file, forced":         {way: regular("other"), force: true, want: "linked"},
		"different file, backup":         {way: regular("other"), backup: true, want: "linked"},
		"identical file":                 {way: regular("new"), want: "kept"},
		"identical file, forced":         {way: regular("new"), force: true, want: "kept"},
		"mask":                           {way: link("/dev/null"), want: "collision"},
		"mask, forced":                   {way: link("/dev/null"), force: true, want: "linked"},
		"mask, backup":                   {way: link("/dev/null"), backup: true, want: "collision"},
		"foreign dangling link":          {way: link("/nonexistent"), want: "linked"},
		"folder":                         {way: folder, want: "collision"},
		"folder, forced":                 {way: folder, force: true, want: "broken"},
		"folder, forced, with backup":    {way: folder, force: true, backup: true, want: "linked"},
		"a backup exists":                {way: func(l *lab) { l.put(unit, "other"); l.put(unit+".bak", "old") }, backup: true, want: "collision"},
		"a backup exists, and is forced": {way: func(l *lab) { l.put(unit, "other"); l.put(unit+".bak", "old") }, backup: true, force: true, want: "linked"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			test.way(l)
			if test.force {
				l.options.Force = []string{unit}
			}
			if test.backup {
				l.options.BackupExtension = "bak"
			}
			before := tree(t, l.home)
			built := l.build(web("new"))
			err := built.Activate(l.home, l.options)
			if got := l.outcome(built, err); got != test.want {
				t.Errorf("%s (%v), want %s", got, err, test.want)
			}
			if test.want == "collision" {
				if diff := cmp.Diff(before, tree(t, l.home)); diff != "" {
					t.Errorf("a collision changed the home (-before +after):\n%s", diff)
				}
			}
		})
	}
}

// outcome returns the state of the unit's link after an activation.
func (l *lab) outcome(built Built, err error) string {
	var collision *CollisionError
	switch {
	case errors.As(err, &collision):
		return "collision"
	case err != nil:
		return "broken"
	case !isLink(l.path(unit)):
		return "kept"
	case l.readlink(l.path(unit)) == filepath.Join(built.HomeFiles, unit) && l.root("current-home") == built.Path:
		return "linked"
	}
	return "wrong"
}

func TestActivateHalf(t *testing.T) {
	l := newLab(t)
	first, second := l.build(web("one")), l.build(web("two"))
	l.activate(first)
	if err := second.ActivateHalf(l.home, l.options); err != nil {
		t.Fatal(err)
	}
	if got, want := l.readlink(l.path(unit)), filepath.Join(second.HomeFiles, unit); got != want {
		t.Errorf("the link leads to %q, want %q", got, want)
	}
	if got := l.root("current-home"); got != first.Path {
		t.Errorf("current-home leads to %q, want the first", got)
	}
	if got := l.root("new-home"); got != second.Path {
		t.Errorf("new-home leads to %q, want the second", got)
	}
	l.activate(second)
	if l.root("new-home") != "" || l.root("current-home") != second.Path {
		t.Error("a whole activation after it does not mend it")
	}
}

func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	l := newLab(t)
	l.options.UID, l.options.GID = 61000, 61001
	l.options.StateHome = l.path("state")
	l.activate(l.build(web("one")))
	for _, rel := range []string{".config", ".config/systemd/user", unit, "state/home-manager/gcroots/current-home"} {
		info, err := os.Lstat(l.path(rel))
		if err != nil {
			t.Fatal(err)
		}
		if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 61000 || stat.Gid != 61001 {
			t.Errorf("%s belongs to %d:%d", rel, stat.Uid, stat.Gid)
		}
	}
}

// TestActivateReadsNoDevice checks that what is in the way is a collision, and is not read
// to an end that it does not have.
func TestActivateReadsNoDevice(t *testing.T) {
	home, store := t.TempDir(), t.TempDir()
	built, err := Generation{Files: map[string]string{"a": "text"}}.Build(store)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(home, "a")); err != nil {
		t.Fatal(err)
	}
	var collision *CollisionError
	if err := built.Activate(home, Activation{UID: os.Getuid(), GID: os.Getgid()}); !errors.As(err, &collision) {
		t.Errorf("activate over a link to /dev/zero: %v", err)
	}
}
