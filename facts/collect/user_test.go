package collect

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/config"
	"stackpolicy/internal/systemd"
)

func TestOSName(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want, err string }{
		"quoted":        {"NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n", "Debian GNU/Linux 13 (trixie)", ""},
		"single quotes": {"PRETTY_NAME='NixOS 26.05'", "NixOS 26.05", ""},
		"plain":         {"PRETTY_NAME=Linux\n", "Linux", ""},
		"without it":    {"NAME=x\n", "", ""},
		"too far below": {strings.Repeat("#\n", maxRelease) + "PRETTY_NAME=x\n", "", ""},
		"a long line":   {strings.Repeat("x", maxRelease+1), "", "token too long"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "os-release")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := osName(path)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %q, %v; want %q, %q", got, err, c.want, c.err)
			}
		})
	}
	if got, err := osName(filepath.Join(dir, "none")); got != "" || err != nil {
		t.Errorf("without the file: %q, %v", got, err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := osName(fifo); err == nil {
		t.Error("a FIFO is no error")
	}
}

// TestOpenFolders: folders into which others can put unit files.
func TestOpenFolders(t *testing.T) {
	e := alice
	e.UID, e.Home, e.EtcDir = os.Getuid(), t.TempDir(), t.TempDir()
	e.ConfigHome = filepath.Join(e.Home, ".config")
	for _, name := range []string{"systemd/user/web.service.d", "systemd/user/default.target.wants", "systemd/user/notes", "containers/systemd"} {
		if err := os.MkdirAll(filepath.Join(e.ConfigHome, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{
		"systemd/user": true, "systemd/user/web.service.d": true, "systemd/user/default.target.wants": true, "systemd": true, "": true, "..": true,
		"containers/systemd": true, "systemd/user/notes": false, "none": false,
	} {
		path := filepath.Join(e.ConfigHome, name)
		for mode, isOpen := range map[os.FileMode]bool{0o777: true, 0o775: true, 0o755: false, 0o700: false} {
			_ = os.Chmod(path, mode)
			got, err := openFolders(e)
			if err != nil || slices.Contains(got, path) != (want && isOpen) || len(got) > 1 {
				t.Errorf("%s of mode %o: %v, %v", name, mode, got, err)
			}
		}
		_ = os.Chmod(path, 0o755)
	}
}

// TestOpenFoldersElsewhere: the unit folder is looked at wherever it is.
func TestOpenFoldersElsewhere(t *testing.T) {
	e := alice
	e.UID, e.Home, e.ConfigHome, e.EtcDir = os.Getuid(), t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.MkdirAll(e.UnitDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(e.UnitDir(), 0o777)
	if got, err := openFolders(e); err != nil || !slices.Equal(got, []string{e.UnitDir()}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUser(t *testing.T) {
	flags := t.TempDir()
	e := alice
	e.LingerDir = flags
	a, err := collectUser(e)
	if err != nil || a.user.Linger || a.user.UnitDir != "/home/alice/.config/systemd/user" || a.host.Name == "" {
		t.Errorf("without the flag: %v, %+v", err, a)
	}
	if err := os.WriteFile(filepath.Join(flags, "alice"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := collectUser(e); err != nil || !a.user.Linger {
		t.Errorf("with the flag: %v, %+v", err, a)
	}
	e.LingerDir = filepath.Join(flags, "alice") // a file in place of the folder: whether the flag exists is not known
	if a, err := collectUser(e); err == nil {
		t.Errorf("a folder that cannot be read: %+v", a)
	}
}

// TestOfProcess: variables override the account's folders.
func TestOfProcess(t *testing.T) {
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"} {
		t.Setenv(name, "")
	}
	bob := t.TempDir()
	t.Setenv("HOME", bob)
	e, err := OfProcess(config.Config{Mode: config.Observe})
	if err != nil {
		t.Fatal(err)
	}
	if e.UID != os.Getuid() || e.Home != bob || e.ConfigHome != bob+"/.config" || e.StateHome != bob+"/.local/state" ||
		!strings.HasPrefix(e.RuntimeDir, "/run/user/") || e.QuadletDir() != bob+"/.config/containers/systemd" || e.Config.Mode != config.Observe {
		t.Errorf("defaults: %+v", e)
	}
	t.Setenv("XDG_CONFIG_HOME", "/c")
	t.Setenv("XDG_STATE_HOME", "/s")
	t.Setenv("XDG_RUNTIME_DIR", "/r")
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/b")
	if e, err = OfProcess(config.Config{}); err != nil || e.ConfigHome != "/c" || e.StateHome != "/s" || e.RuntimeDir != "/r" || e.BusAddress != "unix:path=/b" {
		t.Errorf("variables: %+v, %v", e, err)
	}
	if now := e.Now(); time.Since(now).Abs() > time.Minute {
		t.Errorf("its clock says %s", now)
	}
}

// TestNoHome: a home folder that does not exist is an error, wherever the other folders are.
func TestNoHome(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, dir)
	}
	for _, home := range []string{filepath.Join(dir, "none"), file} {
		t.Setenv("HOME", home)
		if _, err := OfProcess(config.Config{}); !errors.Is(err, ErrNoHome) || !strings.Contains(err.Error(), home) {
			t.Errorf("%s: %v", home, err)
		}
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	if e, err := OfProcess(config.Config{}); err != nil || e.ConfigHome != filepath.Join(e.Home, ".config") {
		t.Errorf("without HOME: %v, %s", err, e.ConfigHome)
	}
}

func TestLoadedFrom(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	l := loadedFrom(systemd.Unit{Condition: systemd.Check{At: at, Met: true}, Assertion: systemd.Check{At: at}})
	if l.Condition != "met" || l.Assertion != "not-met" || l.TimeoutStartSec != -1 || l.DropInPaths == nil || l.StateChange != nil {
		t.Errorf("of a target: %+v", l)
	}
	service := &systemd.Service{Type: "oneshot", TimeoutStart: 1500 * time.Millisecond}
	l = loadedFrom(systemd.Unit{Service: service, DropInPaths: []string{"/d.conf"}})
	if l.Condition != "" || l.Type != "oneshot" || l.TimeoutStartSec != 1.5 || len(l.DropInPaths) != 1 {
		t.Errorf("of a service: %+v", l)
	}
	service.TimeoutStart = -1
	if l = loadedFrom(systemd.Unit{Service: service}); l.TimeoutStartSec != -1 {
		t.Errorf("without a limit: %v seconds", l.TimeoutStartSec)
	}
}

// TestPackagesAt: the newest log says it, the time of a link itself counts, and without any nothing is
// known.
func TestPackagesAt(t *testing.T) {
	root := t.TempDir()
	if got := packagesAt(root); got != nil {
		t.Errorf("without a log: %s", got)
	}
	at := time.Date(2026, 5, 4, 3, 0, 0, 5, time.UTC)
	for i, name := range []string{"/var/log/dpkg.log", "/var/log/pacman.log"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at.Add(-time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if got := packagesAt(root); got == nil || !got.Equal(at.Truncate(time.Second)) {
		t.Errorf("got %v, want %s", got, at)
	}
	if err := os.Mkdir(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nonexistent", filepath.Join(root, "run/current-system")); err != nil {
		t.Fatal(err)
	}
	if got := packagesAt(root); got == nil || time.Since(*got) > time.Minute {
		t.Errorf("a link that was just made: %v", got)
	}
}
