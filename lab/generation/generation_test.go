package generation

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const unit = ".config/systemd/user/web.service"

// lab has a store and a home.
type lab struct {
	t           *testing.T
	store, home string
	options     Activation
}

func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	l := &lab{t: t, store: filepath.Join(dir, "store"), home: filepath.Join(dir, "home")}
	for _, folder := range []string{l.store, l.home} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l.options = Activation{UID: os.Getuid(), GID: os.Getgid()}
	t.Cleanup(func() { // an ordinary user's t.TempDir cannot remove read-only folders
		_ = filepath.WalkDir(l.store, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				_ = os.Chmod(path, 0o755)
			}
			return nil
		})
	})
	return l
}

func (l *lab) build(g Generation) Built {
	l.t.Helper()
	built, err := g.Build(l.store)
	if err != nil {
		l.t.Fatal(err)
	}
	return built
}

func (l *lab) activate(b Built) {
	l.t.Helper()
	if err := b.Activate(l.home, l.options); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) path(rel string) string { return filepath.Join(l.home, rel) }

func (l *lab) readlink(name string) string {
	l.t.Helper()
	target, err := os.Readlink(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return target
}

func (l *lab) root(name string) string {
	target, _ := os.Readlink(l.path(".local/state/home-manager/gcroots/" + name))
	return target
}

// put writes a regular file to the home.
func (l *lab) put(rel, text string) {
	l.t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.path(rel)), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(l.path(rel), []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func web(text string) Generation { return Generation{Files: map[string]string{unit: text}} }

// tree lists the files below a folder, with the targets of links.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if found[rel], err = os.Readlink(path); err != nil {
			found[rel] = "a file"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestChain(t *testing.T) {
	l := newLab(t)
	const wants = ".config/systemd/user/default.target.wants/web.service"
	const mask = ".config/systemd/user/old.service"
	const dropin = ".config/systemd/user/web.service.d/more-10.conf"
	built := l.build(Generation{
		Files: map[string]string{unit: "[Service]\n", dropin: "[Unit]\n"},
		Links: map[string]string{wants: "../web.service", mask: "/dev/null"},
	})
	l.activate(built)

	hash := l.store + `/[0-9abcdfghijklmnpqrsvwxyz]{32}-`
	for rel, want := range map[string]string{
		unit:   "web.service/web.service",
		wants:  "web.service/web.service",
		mask:   "hm_null",
		dropin: "hm_systemduserweb.service.dmore10.conf",
	} {
		if got, want := l.readlink(l.path(rel)), filepath.Join(built.HomeFiles, rel); got != want {
			t.Errorf("%s: first hop %q, want %q", rel, got, want)
		}
		second := l.readlink(filepath.Join(built.HomeFiles, rel))
		if !regexp.MustCompile("^" + hash + regexp.QuoteMeta(want) + "$").MatchString(second) {
			t.Errorf("%s: second hop %q, want H-%s", rel, second, want)
		}
		if second != built.Sources[rel] {
			t.Errorf("%s: second hop %q, but Sources has %q", rel, second, built.Sources[rel])
		}
	}
	if got := l.readlink(built.Sources[mask]); got != "/dev/null" {
		t.Errorf("a link out of the store leads to %q", got)
	}
	if text, err := os.ReadFile(l.path(wants)); err != nil || string(text) != "[Service]\n" {
		t.Errorf("through the wants link: %q, %v", text, err)
	}
	if got := l.readlink(filepath.Join(built.Path, "home-files")); got != built.HomeFiles {
		t.Errorf("home-files leads to %q", got)
	}
	if got := l.root("current-home"); got != built.Path || !strings.HasSuffix(got, "-home-manager-generation") {
		t.Errorf("current-home leads to %q, want %q", got, built.Path)
	}
	if got := l.root("new-home"); got != "" {
		t.Errorf("new-home is left: %q", got)
	}
}

func TestStoreIsLikeNix(t *testing.T) {
	l := newLab(t)
	l.build(Generation{
		Files: map[string]string{unit: "x", "notes.txt": "y"},
		Links: map[string]string{".config/systemd/user/a.target.wants/web.service": "../web.service", "out": "/etc"},
	})
	err := filepath.WalkDir(l.store, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == l.store {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.ModTime().Equal(time.Unix(1, 0)) {
			t.Errorf("%s: modified at %v", path, info.ModTime())
		}
		want := map[fs.FileMode]fs.FileMode{0: 0o444, fs.ModeDir: 0o555, fs.ModeSymlink: 0o777}[info.Mode().Type()]
		if info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", path, info.Mode(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuildGoesByContent(t *testing.T) {
	l := newLab(t)
	one, again, other := l.build(web("one")), l.build(web("one")), l.build(web("two"))
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("the same content gives another path (-first +second):\n%s", diff)
	}
	if one.Path == other.Path || one.HomeFiles == other.HomeFiles || one.Sources[unit] == other.Sources[unit] {
		t.Errorf("other content gives the same path: %v, %v", one, other)
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, g := range map[string]Generation{
		"nothing":          {},
		"absolute":         {Files: map[string]string{"/etc/passwd": ""}},
		"outside":          {Files: map[string]string{"../x": ""}},
		"link to nothing":  {Links: map[string]string{"a": "b"}},
		"link beside file": {Files: map[string]string{"a": ""}, Links: map[string]string{"a": "/b"}},
	} {
		if _, err := g.Build(newLab(t).store); err == nil {
			t.Errorf("%s: built", name)
		}
	}
}
