package usermanager

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/sandbox/sandboxtest"
)

func TestRootGeneratesQuadlets(t *testing.T) {
	m := start(t, Options{Root: debian.Root(t)})
	write(t, filepath.Join(m.Home, ".config/containers/systemd/web.container"),
		"[Container]\nImage=localhost/web\n[Install]\nWantedBy=default.target\n")
	m.systemctl(t, "daemon-reload")
	got := m.systemctl(t, "show", "--property=LoadState,FragmentPath,SourcePath", "web.service")
	for _, want := range []string{
		"LoadState=loaded",
		"FragmentPath=" + m.RuntimeDir + "/systemd/generator/web.service",
		"SourcePath=" + m.Home + "/.config/containers/systemd/web.container",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
}

func TestNoBus(t *testing.T) {
	m := start(t, Options{NoBus: true})
	if _, err := os.Lstat(filepath.Join(m.RuntimeDir, "bus")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a bus: %v", err)
	}
	if got := m.systemctl(t, "is-system-running"); got != "running" {
		t.Errorf("state %q", got)
	}
	if out, err := m.Command(t.Context(), "busctl", "--user", "list").CombinedOutput(); err == nil {
		t.Errorf("a bus answers:\n%s", out)
	}
}

func TestOptions(t *testing.T) {
	units := t.TempDir()
	write(t, filepath.Join(units, "default.target"), "[Unit]\nDescription=only this\n")
	if err := os.Chmod(filepath.Dir(units), 0o755); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m := start(t, Options{
		UnitPath: []string{units, "/usr/lib/systemd/user"},
		NoLinger: true,
		Env:      []string{"LAB_EXTRA=yes"},
		UserConf: "[Manager]\nDefaultEnvironment=FROM_CONF=yes\nLogLevel=debug\n",
		Log:      &log,
	})
	property := func(name string) string {
		t.Helper()
		return m.systemctl(t, "show", "--property="+name, "--value")
	}
	if got, want := property("UnitPath"), units+" /usr/lib/systemd/user"; got != want {
		t.Errorf("UnitPath %q, want %q", got, want)
	}
	if got := property("Environment"); !strings.Contains(got, "LAB_EXTRA=yes") || !strings.Contains(got, "FROM_CONF=yes") {
		t.Errorf("Environment %q", got)
	}
	if got := sandboxtest.Output(t, m.Command(t.Context(), "env")); !strings.Contains(got, "LAB_EXTRA=yes") {
		t.Errorf("a command's environment:\n%s", got)
	}
	if got := sandboxtest.Output(t, m.RootCommand(t.Context(), "ls", "/var/lib/systemd/linger")); got != "" {
		t.Errorf("linger flags: %q", got)
	}
	if m.Log() == "" {
		t.Error("no log")
	}
}
