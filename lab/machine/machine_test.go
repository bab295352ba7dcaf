package machine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/generation"
	"stackpolicy/lab/sandbox/sandboxtest"
)

// each boots a machine of each suite and runs test on it.
func each(t *testing.T, test func(*testing.T, *Machine)) {
	t.Helper()
	for _, suite := range debian.Suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			test(t, boot(t, suite))
		})
	}
}

// boot boots a machine for a test. At the test's end it checks that nothing is left.
func boot(t *testing.T, suite string) *Machine {
	t.Helper()
	if err := Available(Options{Suite: suite}); err != nil {
		t.Skip("no machine can be booted here: ", err)
	}
	begin := time.Now()
	m, err := Boot(t.Context(), Options{Suite: suite})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("up after %v", time.Since(begin).Round(time.Millisecond))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(m.State(context.Background()))
		}
		checkStop(t, m)
	})
	return m
}

func checkStop(t *testing.T, m *Machine) {
	t.Helper()
	pids := processesIn(m.cgroup.Dir)
	if len(pids) == 0 {
		t.Error("no process is in the machine's cgroup")
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	for _, left := range traces(t, m.scratch.Dir, m.cgroup.Dir, pids) {
		t.Errorf("left behind: %s", left)
	}
	if err := m.Stop(); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

// TestMachine checks what a machine can do, on one of each suite.
func TestMachine(t *testing.T) {
	each(t, func(t *testing.T, m *Machine) {
		t.Run("is up", m.checkUp)
		t.Run("is the user's", m.checkUser)
		t.Run("is entered by another process", m.checkEnter)
		t.Run("takes files and programs", m.checkFiles)
		t.Run("activates a generation", m.checkGeneration)
		t.Run("runs containers", m.checkContainers)
		t.Run("has a registry", m.checkRegistry)
		t.Run("runs a composed stack", m.checkCompose)
		t.Run("shows its state", m.checkState)
		t.Run("reboots", m.checkReboot)
	})
}

func (m *Machine) checkUp(t *testing.T) {
	if got := m.run(t, "systemctl", "--user", "is-system-running"); got != "running" {
		t.Errorf("the user manager is %s", got)
	}
	if got := sandboxtest.Output(t, m.RootCommand(t.Context(), "systemctl", "is-system-running", "--wait")); got != "running" {
		t.Errorf("the system is %s", got)
	}
	if got := m.run(t, "loginctl", "show-user", User, "--property=Linger", "--value"); got != "yes" {
		t.Errorf("linger is %s", got)
	}
	if got := m.run(t, "cat", "/etc/os-release"); !strings.Contains(got, "VERSION_CODENAME="+m.Suite) {
		t.Errorf("it is no %s:\n%s", m.Suite, got)
	}
	if got := m.run(t, "ip", "-brief", "address"); !strings.HasPrefix(got, "lo ") || !strings.Contains(got, "127.0.0.1") || strings.Contains(got, "\n") {
		t.Errorf("it has another network than a loopback:\n%s", got)
	}
}

func (m *Machine) checkUser(t *testing.T) {
	tests := map[string]string{
		"id -u": strconv.Itoa(UID), "id -gn": User, "pwd": Home, "stat -c %U " + Home: User, "stat -c %U " + StoreDir: User,
	}
	for command, want := range tests {
		if got := m.run(t, strings.Fields(command)...); got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
	if got := m.run(t, "env"); strings.Contains(got, leakVariable) {
		t.Errorf("a command has the host's environment:\n%s", got)
	}
	if got := sandboxtest.Output(t, m.RootCommand(t.Context(), "id", "-u")); got != "0" {
		t.Errorf("a root command runs as uid %s", got)
	}
	if got := m.unit(t, "id", "-un"); got != User {
		t.Errorf("a unit runs as %s", got)
	}
}

func (m *Machine) checkEnter(t *testing.T) {
	environ := map[string]string{}
	for _, variable := range m.Environ() {
		key, value, _ := strings.Cut(variable, "=")
		environ[key] = value
	}
	e, err := Enter(func(key string) string { return environ[key] })
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got := sandboxtest.Output(t, e.Command(t.Context(), "systemctl", "--user", "is-system-running")); got != "running" {
		t.Errorf("got %q", got)
	}
}

func (m *Machine) checkFiles(t *testing.T) {
	files := map[string]string{Home + "/a/b/file": User, "/etc/systemd/user/x.service": "root", StoreDir + "/file": User}
	for path, owner := range files {
		for _, text := range []string{"first", "second"} {
			if err := m.Write(path, text); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(m.Path(path)); err != nil || string(got) != text {
				t.Errorf("%s: %q, %v", path, got, err)
			}
		}
		if got := m.run(t, "stat", "-c", "%U", filepath.Dir(path), path); got != owner+"\n"+owner {
			t.Errorf("%s belongs to %q, want %s", path, got, owner)
		}
	}
	if _, err := os.Lstat(filepath.Join(m.root, "etc/systemd/user/x.service")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was written to the root file system itself: %v", err)
	}
	script := filepath.Join(t.TempDir(), "say")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho said\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := m.Install(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{path, "say"} {
		if got := m.run(t, program); got != "said" {
			t.Errorf("%s: %q", program, got)
		}
	}
	gone := errors.New("what it says")
	if err := m.Inside(func() error { return gone }); !errors.Is(err, gone) {
		t.Errorf("the function's error is %v", err)
	}
}

const unitPath = ".config/systemd/user/web.service"

func (m *Machine) checkGeneration(t *testing.T) {
	g := generation.Generation{Files: map[string]string{
		unitPath: "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/echo up again\n",
	}, Links: map[string]string{filepath.Dir(unitPath) + "/default.target.wants/web.service": "../web.service"}}
	err := m.Inside(func() error {
		built, err := g.Build(StoreDir)
		if err != nil {
			return err
		}
		return built.Activate(Home, generation.Activation{UID: UID, GID: GID})
	})
	if err != nil {
		t.Fatal(err)
	}
	m.run(t, "systemctl", "--user", "daemon-reload")
	m.run(t, "systemctl", "--user", "start", "web.service")
	if got := m.run(t, "systemctl", "--user", "show", "--property=FragmentPath", "--value", "web.service"); got != filepath.Join(Home, unitPath) {
		t.Errorf("it is loaded from %s", got)
	}
	if got := m.run(t, "realpath", unitPath); !strings.HasPrefix(got, StoreDir) {
		t.Errorf("its link ends at %s", got)
	}
}

func (m *Machine) checkState(t *testing.T) {
	got := m.State(t.Context(), "web.service", "missing.service")
	for _, want := range []string{
		"FragmentPath=" + filepath.Join(Home, unitPath), "Id=missing.service", "Finished web.service", "web_app_1", "$ podman auto-update --dry-run\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func (m *Machine) checkReboot(t *testing.T) {
	// journald may fail to attribute output to a unit whose process has already ended.
	// The manager's own message about the unit always has the unit's name.
	started := func() int {
		if err := m.sync(t.Context()); err != nil {
			t.Error(err)
		}
		return strings.Count(m.run(t, "journalctl", "--user", "--unit=web.service", "--output=cat"), "Finished web.service")
	}
	if got := started(); got != 1 {
		t.Errorf("the journal has %d starts before the reboot", got)
	}
	for _, path := range []string{Home + "/kept", "/run/user/1000/lost"} {
		m.run(t, "touch", path)
	}
	before := m.run(t, "cat", "/proc/sys/kernel/random/boot_id", "/etc/machine-id")
	if err := m.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := m.run(t, "cat", "/etc/machine-id"); !strings.HasSuffix(before, got) {
		t.Errorf("the machine's id was another: %s, %s", before, got)
	}
	m.run(t, "test", "-e", Home+"/kept", "-a", "!", "-e", "/run/user/1000/lost")
	if got := m.run(t, "systemctl", "--user", "is-active", "web.service"); got != "active" {
		t.Errorf("a wanted unit is %s", got)
	}
	if got := started(); got != 2 {
		t.Errorf("the journal has %d starts after the reboot", got)
	}
	if got := m.run(t, "podman", "run", "--rm", "localhost/app:1", "cat", "/version"); got != "2" {
		t.Errorf("a container says %q", got)
	}
	if got := m.run(t, "podman", "ps", "--all", "--format={{.Names}} {{.State}}"); slices.Contains(strings.Fields(got), "running") {
		t.Errorf("a container runs on: %s", got)
	}
}
