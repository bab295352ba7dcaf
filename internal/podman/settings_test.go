package podman

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestRealPodmanSettings compares with what the podman installed here was given.
func TestRealPodmanSettings(t *testing.T) {
	client := realPodman(t)
	data := t.TempDir()
	podmanOutput(t, client, "create", "--name", "web", "--network", "bridge", "--publish", "127.0.0.1:18080:80", "--publish", "53:5353/udp",
		"--volume", data+":/data:ro", "--volume", "kept:/kept", "--user", "7:8", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--rootfs", t.TempDir(), "/x")
	podmanOutput(t, client, "create", "--name", "open", "--network", "host", "--privileged", "--rootfs", t.TempDir(), "/x")
	t.Cleanup(func() { podmanOutput(t, client, "rm", "--all", "--force", "--volumes") })
	want := Settings{
		NetworkMode: "bridge", User: "7:8", Capabilities: []string{"CAP_NET_ADMIN"}, Networks: []string{"podman"},
		Ports: []Port{{"127.0.0.1", 18080, 80, "tcp"}, {"", 53, 5353, "udp"}},
		Mounts: []Mount{
			{Type: "bind", Source: data, Target: "/data", ReadOnly: true},
			{Type: "volume", Name: "kept", Source: client.Args[1] + "/volumes/kept/_data", Target: "/kept"},
		},
	}
	socket := client
	socket.Socket = serve(t, client)
	for name, client := range map[string]Client{"command": client, "socket": socket} {
		got, err := client.Containers(t.Context())
		if err != nil || len(got.Containers) != 2 {
			t.Fatalf("by %s: %d containers, error %v", name, len(got.Containers), err)
		}
		sorted := cmpopts.SortSlices(func(a, b Mount) bool { return a.Target < b.Target })
		ports := cmpopts.SortSlices(func(a, b Port) bool { return a.Host > b.Host })
		if d := cmp.Diff(want, got.Containers[1].Settings, sorted, ports); d != "" {
			t.Errorf("by %s (-want +got):\n%s", name, d)
		}
		if open := got.Containers[0].Settings; !open.Privileged || open.NetworkMode != "host" || !slices.Contains(open.Capabilities, "CAP_SYS_ADMIN") {
			t.Errorf("by %s: the privileged one is %+v", name, open)
		}
	}
}
