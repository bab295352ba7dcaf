package machine

import (
	"errors"
	"os/exec"
	"testing"
)

func (m *Machine) checkContainers(t *testing.T) {
	if got := m.run(t, "podman", "info", "--format={{.Store.GraphDriverName}} {{.Host.CgroupManager}} {{.Host.CgroupsVersion}}"); got != "overlay systemd v2" {
		t.Errorf("podman has %s", got)
	}
	for _, version := range []string{"1", "2"} {
		image := Image{Name: "localhost/app:1", Labels: map[string]string{"words": `two "words"`}, Files: map[string]string{"/version": version}}
		if err := m.Image(t.Context(), image); err != nil {
			t.Fatal(err)
		}
		if got := m.run(t, "podman", "run", "--rm", image.Name, "cat", "/version"); got != version {
			t.Errorf("a container says %q, want %q", got, version)
		}
	}
	if got := m.run(t, "podman", "image", "inspect", "--format={{.Config.Labels.words}}", "localhost/app:1"); got != `two "words"` {
		t.Errorf("the label is %q", got)
	}
	checkEnd(t, m)
	if got := m.unit(t, "podman", "run", "--rm", "localhost/app:1", "echo", "from a unit"); got != "from a unit" {
		t.Errorf("a container of a unit says %q", got)
	}
}

// checkEnd checks that a container of the lab's images can end on its own, and that it
// ends when it is stopped, long before podman kills it.
func checkEnd(t *testing.T, m *Machine) {
	t.Helper()
	var exit *exec.ExitError
	err := m.Command(t.Context(), "podman", "run", "--rm", "localhost/app:1", "sh", "-c", "exit 7").Run()
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("a container that ends with 7: %v", err)
	}
	m.run(t, "podman", "run", "--detach", "--name=sleeper", "localhost/app:1")
	m.run(t, "podman", "stop", "--time=60", "sleeper")
	if got := m.run(t, "podman", "inspect", "--format={{.State.ExitCode}}", "sleeper"); got != "0" {
		t.Errorf("a stopped container ended with %s", got)
	}
	m.run(t, "podman", "rm", "sleeper")
}

func (m *Machine) checkRegistry(t *testing.T) {
	for range 2 { // it may already be running
		if _, err := m.Registry(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	address, err := m.Registry(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	remote := address + "/app:1"
	m.run(t, "podman", "push", "--quiet", "localhost/app:1", remote)
	m.run(t, "podman", "pull", "--quiet", remote)
	if got := m.run(t, "podman", "run", "--rm", remote, "cat", "/version"); got != "2" {
		t.Errorf("the pulled image says %q", got)
	}
}

const composeFile = `services:
  app:
    image: localhost/app:1
    ports: ["127.0.0.1:8080:80"]
    command: ["/bin/httpd", "-f", "-p", "80", "-h", "/"]
`

const stackUnit = `[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=30
ExecStart=podman-compose --project-name web --file %h/compose.yaml up --detach
`

func (m *Machine) checkCompose(t *testing.T) {
	if err := m.Write(Home+"/compose.yaml", composeFile); err != nil {
		t.Fatal(err)
	}
	if err := m.Write(Home+"/.config/systemd/user/stack.service", stackUnit); err != nil {
		t.Fatal(err)
	}
	m.run(t, "systemctl", "--user", "daemon-reload")
	m.run(t, "systemctl", "--user", "start", "stack.service")
	got := m.run(t, "curl", "--silent", "--fail", "--retry", "10", "--retry-connrefused", "--max-time", "20", "http://127.0.0.1:8080/version")
	if got != "2" {
		t.Errorf("the stack answers %q", got)
	}
}
