package collect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts/drift"
	"stackpolicy/internal/homemanager"
)

// managerScene is a machine of which everything belongs to the account that runs the
// test: its root is that account too.
type managerScene struct {
	env     Environment
	judge   *judge
	manager *drift.Manager
}

func newManagerScene(t *testing.T, files map[string]string) *managerScene {
	t.Helper()
	env := testEnvironment(t)
	env.Root = filepath.Join(env.Home, "machine")
	files["machine/usr/keep"] = ""
	for name, text := range files {
		path := filepath.Join(env.Home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(strings.ReplaceAll(to, "HOME", env.Home), path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &managerScene{env: env, judge: &judge{ctx: t.Context(), fileOwner: fileOwner{env.UID, -1}}, manager: &drift.Manager{LoadedAt: time.Now().Add(time.Hour), Now: time.Now().Add(2 * time.Hour)}}
}

// found are the files as "path origin", with what is special about them.
func (s *managerScene) found(t *testing.T) []string {
	t.Helper()
	all, err := managerFiles(t.Context(), s.env, s.judge, s.manager, loadedUnits{})
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, f := range all.Files {
		path, _ := filepath.Rel(s.env.Home, f.Path)
		line := fmt.Sprintf("%s %s %s", strings.TrimPrefix(path, "machine"), f.Role, f.Origin)
		if !f.Effective {
			line += " not-used"
		}
		if f.IsNews() {
			line += " news"
		}
		list = append(list, line)
	}
	return list
}

func TestManagerFiles(t *testing.T) {
	store := "nix/store/b-home-manager-files"
	s := newManagerScene(t, map[string]string{
		store + "/.config/environment.d/10-hm.conf": "A=1",
		".config/environment.d/10-hm.conf":          "-> HOME/" + store + "/.config/environment.d/10-hm.conf",
		".config/environment.d/20-mine.conf":        "A=2",
		".config/environment.d/README":              "",
		".config/environment.d/.hidden.conf":        "A=3",
		".config/systemd/user.conf":                 "[Manager]",
		".config/systemd/user.conf.d/x.conf":        "[Manager]",
		"machine/etc/environment.d/20-mine.conf":    "A=4",
		"machine/etc/environment.d/masked.conf":     "-> /dev/null",
		"machine/etc/environment.d/gone.conf":       "-> /nowhere",
		"machine/etc/systemd/user.conf":             "[Manager]",
		"machine/usr/lib/environment.d/masked.conf": "A=5",
		"machine/etc/systemd/user-generators/no-x":  "",
	})
	s.judge.declared.generation = &homemanager.Generation{Store: filepath.Join(s.env.Home, "nix/store"), Files: filepath.Join(s.env.Home, store)}
	executable(t, filepath.Join(s.env.Root, "usr/lib/systemd/user-generators/quadlet"))
	executable(t, filepath.Join(s.env.Root, "run/systemd/user-environment-generators/env"))
	want := []string{
		"/run/systemd/user-environment-generators/env environment-generator administrator",
		".config/environment.d/10-hm.conf environment declared",
		".config/environment.d/20-mine.conf environment undeclared",
		"/etc/environment.d/20-mine.conf environment administrator not-used",
		"/etc/environment.d/gone.conf environment administrator not-used",
		"/etc/environment.d/masked.conf environment administrator not-used",
		"/usr/lib/environment.d/masked.conf environment distribution not-used",
		"/etc/systemd/user-generators/no-x generator administrator not-used",
		"/usr/lib/systemd/user-generators/quadlet generator distribution",
		".config/systemd/user.conf configuration undeclared",
		"/etc/systemd/user.conf configuration administrator",
		".config/systemd/user.conf.d/x.conf configuration undeclared",
	}
	if d := cmp.Diff(want, s.found(t)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	s.manager.LoadedAt = time.Now().Add(-time.Hour)
	news := slices.DeleteFunc(s.found(t), func(line string) bool { return !strings.HasSuffix(line, " news") })
	if len(news) != 3 || !strings.HasPrefix(news[0], ".config/environment.d/20-mine.conf") {
		t.Errorf("after a change: %q", news)
	}
	s.judge.declared.generation = nil
	if got := s.found(t); !slices.Contains(got, ".config/environment.d/20-mine.conf environment own") {
		t.Errorf("without Home Manager: %q", got)
	}
}

func executable(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// What others can change is not the system's, wherever it is.
func TestUnsafeManagerFiles(t *testing.T) {
	const path = "machine/etc/environment.d/a.conf"
	for name, change := range map[string]func(t *testing.T, home string) error{
		"the file":       func(_ *testing.T, home string) error { return os.Chmod(filepath.Join(home, path), 0o666) },
		"its folder":     func(_ *testing.T, home string) error { return os.Chmod(filepath.Join(home, filepath.Dir(path)), 0o777) },
		"a folder above": func(_ *testing.T, home string) error { return os.Chmod(filepath.Join(home, "machine/etc"), 0o777) },
		"what it leads to": func(t *testing.T, home string) error {
			to := filepath.Join(home, "elsewhere")
			if err := os.WriteFile(to, nil, 0o644); err != nil {
				return err
			}
			if err := os.Chmod(to, 0o666); err != nil {
				return err
			}
			if err := os.Remove(filepath.Join(home, path)); err != nil {
				return err
			}
			return os.Symlink(to, filepath.Join(home, path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newManagerScene(t, map[string]string{path: "A=1"})
			if got, want := s.found(t), []string{"/etc/environment.d/a.conf environment administrator"}; !slices.Equal(got, want) {
				t.Fatalf("before: %q", got)
			}
			if err := change(t, s.env.Home); err != nil {
				t.Fatal(err)
			}
			if got, want := s.found(t), []string{"/etc/environment.d/a.conf environment unsafe"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	s := newManagerScene(t, map[string]string{".config/environment.d/a.conf": "A=1"})
	if err := os.Chmod(filepath.Join(s.env.ConfigHome, "environment.d/a.conf"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got, want := s.found(t), []string{".config/environment.d/a.conf environment unsafe"}; !slices.Equal(got, want) {
		t.Errorf("the user's own: %q, want %q", got, want)
	}
}

func TestManagerFilesAreBounded(t *testing.T) {
	s := newManagerScene(t, map[string]string{})
	folder := filepath.Join(s.env.ConfigHome, "environment.d")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range maxManagerFiles + 1 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".conf")), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := managerFiles(t.Context(), s.env, s.judge, s.manager, loadedUnits{}); err == nil || !strings.Contains(err.Error(), "more than 1000 entries") {
		t.Errorf("got %v", err)
	}
}

// TestManagerFilesWaitForNothing: a FIFO in a folder's place, or in a file's.
func TestManagerFilesWaitForNothing(t *testing.T) {
	s := newManagerScene(t, map[string]string{".config/systemd/user.conf.d/keep": ""})
	for _, path := range []string{"environment.d", "systemd/user.conf", "systemd/user.conf.d/x.conf"} {
		if err := syscall.Mkfifo(filepath.Join(s.env.ConfigHome, path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{".config/systemd/user.conf configuration own not-used", ".config/systemd/user.conf.d/x.conf configuration own not-used"}
	if d := cmp.Diff(want, s.found(t)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
