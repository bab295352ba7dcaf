package podman

import (
	"archive/tar"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRealPodmanWatched follows a container of the podman installed here
// through a change of its name and its end, by both ways.
func TestRealPodmanWatched(t *testing.T) {
	client := realPodman(t)
	socket := client
	socket.Socket = serve(t, client)
	podmanOutput(t, client, "create", "--network", "none", "--name", "steady", "--health-cmd", "/x", "--rootfs", t.TempDir(), "/x")
	t.Cleanup(func() { podmanOutput(t, client, "rm", "--all", "--force") })
	for name, client := range map[string]Client{"command": client, "socket": socket} {
		watch := client.Watch()
		wantLook(t, watch, client, "steady")
		podmanOutput(t, client, "create", "--network", "none", "--name", name, "--rootfs", t.TempDir(), "/x")
		wantLook(t, watch, client, name, "steady")
		podmanOutput(t, client, "rename", name, "z"+name)
		wantLook(t, watch, client, "steady", "z"+name)
		podmanOutput(t, client, "rm", "z"+name)
		wantLook(t, watch, client, "steady")
		if len(watch.seen) != 1 {
			t.Errorf("by %s: the watch remembers %d containers, want steady alone", name, len(watch.seen))
		}
	}
}

// wantLook compares two looks of the watch with one of the client.
func wantLook(t *testing.T, watch *Watch, client Client, names ...string) {
	t.Helper()
	for range 2 {
		got, err := watch.Containers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want, err := client.Containers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got.Containers) != len(names) {
			t.Fatalf("got %d containers, want %q (-client +watch):\n%s", len(got.Containers), names, diff)
		}
		for i, name := range names {
			if got.Containers[i].Name != name {
				t.Errorf("container %d is called %q, want %q", i, got.Containers[i].Name, name)
			}
		}
	}
}

// TestRealPodmanDetails asks the podman installed here for what it tells of one
// image, or of a container that never ran.
func TestRealPodmanDetails(t *testing.T) {
	client := realPodman(t)
	image := podmanOutput(t, client, "import", "--quiet", emptyArchive(t), "localhost/lab:1")
	image = image[len(image)-64:] // some versions print "sha256:" before it
	id := podmanOutput(t, client, "create", "--network", "none", "--log-driver", "k8s-file", "--health-cmd", "/x", "localhost/lab:1", "/x")
	t.Cleanup(func() { podmanOutput(t, client, "rm", "--all", "--force") })
	if lines, err := client.Logs(t.Context(), id, 5); err != nil || lines != nil {
		t.Errorf("logs: got %q, error %v; want none", lines, err)
	}
	socket := client
	socket.Socket = serve(t, client)
	for name, client := range map[string]Client{"command": client, "socket": socket} {
		t.Run(name, func(t *testing.T) {
			got, err := client.ImageIDs(t.Context(), []string{"localhost/lab:1", "lab:1", "localhost/lab:2", "docker.io/library/none"})
			want := map[string]string{"localhost/lab:1": image, "lab:1": image}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("image ids: error %v (-want +got):\n%s", err, diff)
			}
			if runs, err := client.HealthLog(t.Context(), id); err != nil || runs != nil {
				t.Errorf("health log: got %+v, error %v; want none", runs, err)
			}
			_, err = client.HealthLog(t.Context(), "00")
			wantError(t, err, "no such container")
		})
	}
}

// emptyArchive is the file system of an image that holds nothing.
func emptyArchive(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := tar.NewWriter(file).Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
