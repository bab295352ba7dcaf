package generation_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/usermanager"
)

// TestManagerSeesAGeneration activates two generations in the home of a real user
// manager. It checks what the manager loads, and that the manager does not notice when
// the second one replaces the first.
func TestManagerSeesAGeneration(t *testing.T) {
	if err := usermanager.Available(usermanager.Options{}); err != nil {
		t.Skip(err)
	}
	m := startManager(t)
	systemctl := func(args ...string) string {
		t.Helper()
		return run(t, m.Command(t.Context(), append([]string{"systemctl", "--user"}, args...)...))
	}
	show := func(property string) string {
		t.Helper()
		return systemctl("show", "--property="+property, "--value", "web.service")
	}
	activate(t, m, "one")
	systemctl("daemon-reload")
	systemctl("start", "default.target")
	second := activate(t, m, "two")
	for property, want := range map[string]string{
		"FragmentPath":     filepath.Join(m.Home, ".config/systemd/user/web.service"),
		"UnitFileState":    "enabled",
		"ActiveState":      "active",
		"Description":      "one",
		"NeedDaemonReload": "no",
	} {
		if got := show(property); got != want {
			t.Errorf("%s=%s, want %s", property, got, want)
		}
	}
	systemctl("daemon-reload")
	if got := show("Description"); got != "two" {
		t.Errorf("after a reload Description=%s", got)
	}
	link := run(t, m.Command(t.Context(), "readlink", ".config/systemd/user/web.service"))
	if want := filepath.Join(second.HomeFiles, ".config/systemd/user/web.service"); link != want {
		t.Errorf("the account reads the link as %q, want %q", link, want)
	}
}

// activate activates a generation that has a service with that description.
func activate(t *testing.T, m *usermanager.Manager, description string) generation.Built {
	t.Helper()
	built, err := generation.Generation{
		Files: map[string]string{
			".config/systemd/user/web.service": "[Unit]\nDescription=" + description +
				"\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
		},
		Links: map[string]string{".config/systemd/user/default.target.wants/web.service": "../web.service"},
	}.Build(m.StoreDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := built.Activate(m.Home, generation.Activation{UID: m.UID, GID: m.GID}); err != nil {
		t.Fatal(err)
	}
	return built
}

func startManager(t *testing.T) *usermanager.Manager {
	t.Helper()
	m, err := usermanager.Start(t.Context(), usermanager.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, out)
	}
	return strings.TrimSpace(string(out))
}
