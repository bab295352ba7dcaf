package podman

import (
	"strings"
	"testing"
)

func TestStorage(t *testing.T) {
	want := Storage{RunRoot: "/run/user/1000/containers", GraphRoot: "/home/ada/.local/share/containers/storage", Version: "5.4.2"}
	const info = `{"host": {}, "version": {"APIVersion": "5.4.1", "Version": "5.4.2"}, "store": {"graphRoot": "/home/ada/.local/share/containers/storage", "runRoot": "/run/user/1000/containers"}}`
	if got, err := fake(t, `test "$verb $*" = "info --format json" && echo '`+info+`'`).Storage(t.Context()); got != want || err != nil {
		t.Errorf("got %+v, error %v", got, err)
	}
	for script, words := range map[string]string{
		"exit 3":                                "ask for podman's storage: podman info: exit status 3",
		`echo '{"store": '`:                     "malformed",
		`echo '{}'`:                             "does not name",
		`echo '{"store": {"graphRoot": "/g"}}'`: "does not name",
		`echo '{"store": {"graphRoot": "/g", "runRoot": "r"}}'`: "does not name",
	} {
		_, err := fake(t, script).Storage(t.Context())
		wantError(t, err, words)
	}
	_, err := Client{}.Storage(t.Context())
	wantError(t, err, "not installed")
}

// TestRealPodmanStorage: the folders are those that the podman installed here was given.
func TestRealPodmanStorage(t *testing.T) {
	client := realPodman(t)
	want := Storage{RunRoot: client.Args[3], GraphRoot: client.Args[1]}
	socket := client
	socket.Socket = serve(t, client)
	for name, client := range map[string]Client{"command": client, "socket": socket} {
		got, err := client.Storage(t.Context())
		if strings.Count(got.Version, ".") != 2 {
			t.Errorf("by %s: version %q", name, got.Version)
		}
		if got.Version = ""; got != want || err != nil {
			t.Errorf("by %s: got %+v, error %v; want %+v", name, got, err, want)
		}
	}
}
