package podman

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNotInstalled(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, socket := range map[string]string{
		"no path": "", "no folder": filepath.Join(dir, "none", "podman.sock"), "below a file": filepath.Join(file, "podman.sock"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Client{Socket: socket}.Containers(t.Context())
			if diff := cmp.Diff(Listing{}, got); err != nil || diff != "" {
				t.Errorf("error %v, listing (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestContextIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := fake(t, `echo '[]'`)
	if got, err := client.Containers(ctx); err == nil {
		t.Errorf("by command: got %+v and no error", got)
	}
	client.Socket = answers{list: `[]`}.listen(t)
	if got, err := client.Containers(ctx); err == nil {
		t.Errorf("by socket: got %+v and no error", got)
	}
}

func TestEveryCallIsBounded(t *testing.T) {
	ctx, cancel := bounded(t.Context())
	defer cancel()
	if end, has := ctx.Deadline(); !has || time.Until(end) > defaultLimit {
		t.Errorf("got deadline %v (%t), want one within %v", end, has, defaultLimit)
	}
	want := time.Now().Add(time.Hour)
	ctx, cancel = context.WithDeadline(t.Context(), want)
	defer cancel()
	ctx, cancel = bounded(ctx)
	defer cancel()
	if end, _ := ctx.Deadline(); !end.Equal(want) {
		t.Errorf("got deadline %v, want the caller's %v", end, want)
	}
}

// TestRealPodman reads containers of the podman installed here back by both
// ways, from a storage of their own.
func TestRealPodman(t *testing.T) {
	client := realPodman(t)
	unit := podmanOutput(t, client, "create", "--network", "none", "--name", "web", "--restart", "on-failure:3",
		"--label", "PODMAN_SYSTEMD_UNIT=web.service", "--label", "odd=a\"\\\n\x1b[2Jé", "--rootfs", t.TempDir(), "/x")
	pod := podmanOutput(t, client, "pod", "create", "--infra=false", "--name", "group")
	member := podmanOutput(t, client, "create", "--network", "none", "--pod", "group", "--name", "db",
		"--health-cmd", "/x", "--rootfs", t.TempDir(), "/x")
	t.Cleanup(func() { podmanOutput(t, client, "pod", "rm", "--all", "--force") })
	t.Cleanup(func() { podmanOutput(t, client, "rm", "--all", "--force") })

	want := []Container{
		{ID: member, Name: "db", Pod: pod, State: "created", Labels: map[string]string{}},
		{ID: unit, Name: "web", State: "created", RestartPolicy: "on-failure",
			Labels: map[string]string{"PODMAN_SYSTEMD_UNIT": "web.service", "odd": "a\"\\\n\x1b[2Jé"}},
	}
	readBack(t, client, "command", want)
	client.Socket = serve(t, client)
	readBack(t, client, "socket", want)
}

func readBack(t *testing.T, client Client, transport string, want []Container) {
	t.Helper()
	begun := time.Now()
	got, err := client.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d containers by %s in %v", len(got.Containers), transport, time.Since(begun).Round(100*time.Microsecond))
	for i, container := range got.Containers {
		if container.RestartPolicy == "no" { // podman 5 says so, podman 4 says nothing
			got.Containers[i].RestartPolicy = ""
		}
		if container.Health == "starting" { // a version may say so of a container that never ran
			got.Containers[i].Health, got.Containers[i].Check = "", nil
		}
		if age := time.Since(container.CreatedAt); age < 0 || age > 10*time.Minute {
			t.Errorf("%s was created %v ago, want just now", container.Name, age)
		}
		got.Containers[i].CreatedAt = time.Time{}
		got.Containers[i].Settings = Settings{} // of TestRealPodmanSettings
	}
	if diff := cmp.Diff(Listing{Present: true, Transport: transport, Containers: want}, got); diff != "" {
		t.Errorf("listing by %s (-want +got):\n%s", transport, diff)
	}
}

// realPodman is the installed podman with everything it keeps in a folder of
// this test. It skips where there is none, or where it cannot keep its storage so.
func realPodman(t *testing.T) Client {
	t.Helper()
	path, err := exec.LookPath("podman")
	if err != nil {
		t.Skipf("podman is not installed: %v", err)
	}
	dir := shortDir(t)
	config := filepath.Join(dir, "containers.conf")
	settings := "[engine]\nlock_type = \"file\"\nevents_logger = \"none\"\ncgroup_manager = \"cgroupfs\"\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_CONF", config)
	client := Client{Command: path, Args: []string{
		"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"),
		"--tmpdir", filepath.Join(dir, "tmp"), "--storage-driver", "vfs",
	}}
	if out, err := podmanCommand(t.Context(), client, "info").CombinedOutput(); err != nil {
		t.Skipf("podman cannot keep a storage of its own here: %v: %s", err, out)
	}
	return client
}

func podmanCommand(ctx context.Context, client Client, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, client.Command, slices.Concat(client.Args, args)...)
}

// podmanOutput runs podman to set up or clean up, and returns what it prints.
func podmanOutput(t *testing.T, client Client, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := podmanCommand(ctx, client, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("podman %q: %v: %s", args, err, &stderr)
	}
	return string(bytes.TrimSpace(out))
}

// serve runs podman's API service until the test ends, and returns its socket
// once it listens there, which is later than the file appears.
func serve(t *testing.T, client Client) string {
	t.Helper()
	socket := filepath.Join(shortDir(t), "s")
	service := podmanCommand(t.Context(), client, "system", "service", "--time", "0", "unix://"+socket)
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Process.Kill(); service.Wait() })
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if connection, err := net.Dial("unix", socket); err == nil {
			connection.Close()
			return socket
		}
	}
	t.Fatal("podman's service does not listen")
	return ""
}
