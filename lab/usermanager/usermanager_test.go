package usermanager

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/sandbox"
	"stackpolicy/lab/sandbox/sandboxtest"

	"github.com/godbus/dbus/v5"
)

// start starts a manager for a test. At the test's end it checks that nothing is left.
func start(t *testing.T, options Options) *Manager {
	t.Helper()
	if err := Available(options); err != nil {
		t.Skip(err)
	}
	begin := time.Now()
	manager, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("systemd %s is up after %v", manager.Version, time.Since(begin).Round(time.Millisecond))
	t.Cleanup(func() {
		begin := time.Now()
		if err := manager.Stop(); err != nil {
			t.Error(err)
		}
		t.Logf("stopped after %v", time.Since(begin).Round(time.Millisecond))
		for _, left := range traces(t, manager) {
			t.Errorf("left behind: %s", left)
		}
	})
	return manager
}

// traces lists what is left of a manager.
func traces(t *testing.T, m *Manager) []string {
	t.Helper()
	left := sandboxtest.Traces(t, m.Dir, m.cgroup.Dir, procPath(m.PID), procPath(m.space.Init))
	return append(left, processesNaming(m.Dir)...)
}

// processesNaming lists the processes whose command line or environment names
// a path.
func processesNaming(path string) []string {
	var found []string
	for _, file := range []string{"cmdline", "environ"} {
		files, _ := filepath.Glob("/proc/[0-9]*/" + file)
		for _, name := range files {
			if data, err := os.ReadFile(name); err == nil && bytes.Contains(data, []byte(path)) {
				found = append(found, name)
			}
		}
	}
	return found
}

func procPath(pid int) string { return filepath.Join("/proc", strconv.Itoa(pid)) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestHostSystemd(t *testing.T) { checkManager(t, Options{}) }

func TestRoot(t *testing.T) { checkManager(t, Options{Root: debian.Root(t)}) }

const oneshot = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"

// checkManager checks what every kind of manager has in common. All of it runs on one
// manager, because starting one takes time.
func checkManager(t *testing.T, options Options) {
	m := start(t, options)
	t.Run("is running", m.checkRunning)
	t.Run("is the account's", m.checkAccount)
	t.Run("answers the test itself", m.checkDial)
	t.Run("has its own view", m.checkView)
	t.Run("loads units in the real order", m.checkOrder)
	t.Run("has a journal", m.checkJournal)
	t.Run("runs an installed program", m.checkInstall)
	t.Run("outlives its manager", m.checkOutlives)
}

// systemctl runs systemctl --user inside.
func (m *Manager) systemctl(t *testing.T, args ...string) string {
	t.Helper()
	return sandboxtest.Output(t, m.Command(t.Context(), append([]string{"systemctl", "--user"}, args...)...))
}

func (m *Manager) checkRunning(t *testing.T) {
	if got := m.systemctl(t, "is-system-running"); got != "running" {
		t.Errorf("state %q", got)
	}
	if m.Version == "" {
		t.Error("no version")
	}
}

func (m *Manager) checkAccount(t *testing.T) {
	if got, want := sandboxtest.Output(t, m.Command(t.Context(), "id", "-un")), m.Username; got != want {
		t.Errorf("a command runs as %q, want %q", got, want)
	}
	if got := sandboxtest.Output(t, m.Command(t.Context(), "id", "-u")); got == "0" || got != strconv.Itoa(m.UID) {
		t.Errorf("a command runs as uid %s, want %d", got, m.UID)
	}
	info, err := os.Stat(procPath(m.PID))
	if err != nil {
		t.Fatal(err)
	}
	if got := int(info.Sys().(*syscall.Stat_t).Uid); got != m.UID {
		t.Errorf("the manager runs as uid %d, want %d", got, m.UID)
	}
}

func (m *Manager) checkDial(t *testing.T) {
	for name, dial := range map[string]func(context.Context) (*dbus.Conn, error){"manager": m.Dial, "bus": m.DialBus} {
		conn, err := dial(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		state, err := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
			GetProperty("org.freedesktop.systemd1.Manager.SystemState")
		if err != nil || state.Value() != "running" {
			t.Errorf("%s: state %v, %v", name, state, err)
		}
		conn.Close()
	}
}

func (m *Manager) checkView(t *testing.T) {
	t.Setenv("STACKPOLICY_LAB_LEAK", "yes")
	if got := sandboxtest.Output(t, m.Command(t.Context(), "env")); strings.Contains(got, "LEAK") {
		t.Errorf("a command has the host's environment:\n%s", got)
	}
	if got := sandboxtest.Output(t, m.Command(t.Context(), "pwd")); got != m.Home {
		t.Errorf("a command runs in %q, want %q", got, m.Home)
	}
	if got := sandboxtest.Output(t, m.Command(t.Context(), "ls", "/var/lib/systemd/linger")); got != m.Username {
		t.Errorf("linger flags: %q", got)
	}
	if os.Geteuid() != 0 {
		return
	}
	if got := sandboxtest.Output(t, m.RootCommand(t.Context(), "id", "-u")); got != "0" {
		t.Errorf("a root command runs as uid %s", got)
	}
}

func (m *Manager) checkOrder(t *testing.T) {
	mine := filepath.Join(m.Home, ".config/systemd/user/mine.service")
	write(t, m.Path("/usr/lib/systemd/user/low.service"), oneshot)
	write(t, m.Path("/etc/systemd/user/low.service"), oneshot)
	write(t, mine, oneshot)
	m.systemctl(t, "daemon-reload")
	m.systemctl(t, "start", "low.service", "mine.service")
	for unit, want := range map[string]string{"low.service": "/etc/systemd/user/low.service", "mine.service": mine} {
		// Debian's /etc/xdg/systemd/user is a link to /etc/systemd/user, and
		// comes first.
		got := strings.Replace(m.systemctl(t, "show", "--property=FragmentPath", "--value", unit), "/etc/xdg/", "/etc/", 1)
		if got != want {
			t.Errorf("%s is loaded from %q, want %q", unit, got, want)
		}
	}
	for _, path := range []string{"/etc/systemd/user/low.service", "/usr/lib/systemd/user/low.service"} {
		if _, err := os.Lstat(filepath.Join("/", m.options.Root, path)); err == nil {
			t.Errorf("%s was written to the root file system itself", path)
		}
	}
}

func (m *Manager) checkJournal(t *testing.T) {
	write(t, filepath.Join(m.Home, ".config/systemd/user/talk.service"),
		"[Unit]\nWords=yes\n[Service]\nType=oneshot\nExecStart=/bin/echo hello there\n")
	m.systemctl(t, "start", "talk.service")
	for _, want := range []string{"echo: hello there", "Unknown key"} {
		err := sandbox.Poll(2*time.Second, func() error {
			if !strings.Contains(m.Log(), want) {
				return fmt.Errorf("no %q in the log:\n%s", want, m.Log())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	spoken := func(entry map[string]string) bool {
		return entry["SYSLOG_IDENTIFIER"] == "echo" && entry["MESSAGE"] == "hello there"
	}
	warned := func(entry map[string]string) bool {
		return entry["USER_UNIT"] == "talk.service" && entry["PRIORITY"] == "4"
	}
	if journal := m.Journal(); !slices.ContainsFunc(journal, spoken) || !slices.ContainsFunc(journal, warned) {
		t.Errorf("the journal lacks the service's output or the manager's warning: %v", journal)
	}
}

func (m *Manager) checkInstall(t *testing.T) {
	script := filepath.Join(t.TempDir(), "say")
	write(t, script, "#!/bin/sh\necho said\n")
	path, err := m.Install(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{path, "say"} {
		if got := sandboxtest.Output(t, m.Command(t.Context(), program)); got != "said" {
			t.Errorf("%s: %q", program, got)
		}
	}
}

func (m *Manager) checkOutlives(t *testing.T) {
	if err := syscall.Kill(m.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := sandboxtest.Output(t, m.Command(t.Context(), "echo", "still here")); got != "still here" {
		t.Errorf("got %q", got)
	}
}
