package podman

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestImages(t *testing.T) {
	const list = `[
 {"Id": "aa", "Created": 1767225600, "Names": ["localhost/app:1", "localhost/app:latest"], "Size": 7},
 {"Id": "sha256:bb", "Created": 1767225600, "Names": ["docker.io/library/nginx:1.27"]},
 {"Id": "cc", "Created": 0, "Dangling": true}]`
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	want := []Image{
		{"aa", []string{"localhost/app:1", "localhost/app:latest"}, at},
		{"bb", []string{"docker.io/library/nginx:1.27"}, at},
	}
	got, err := fake(t, `echo '`+list+`'`).Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for script, words := range map[string]string{
		"exit 3":                     "list images: podman images: exit status 3",
		`echo '[{"Id": "../x"}]'`:    "Id is not hexadecimal",
		`echo '{"Id": "aa"}'`:        "answer is no list",
		`echo '[{"Names": ["a:1"]}'`: "malformed",
	} {
		_, err := fake(t, script).Images(t.Context())
		wantError(t, err, words)
	}
	if got, err := (Client{}).Images(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("without podman: %v, %v", got, err)
	}
}

func TestResolve(t *testing.T) {
	images := []Image{{ID: "aa", Names: []string{"localhost/app:1", "localhost/app:latest"}}, {ID: "bb", Names: []string{"localhost:5000/db:latest"}}}
	for name, want := range map[string]string{
		"localhost/app:1": "aa", "localhost/app": "aa", "localhost/app:latest": "aa", "localhost:5000/db": "bb",
		"localhost/app:2": "", "app:1": "", "localhost/app@sha256:00": "", "localhost/app:1@sha256:00": "", "": "", "aa": "",
	} {
		got := ""
		if image := Resolve(images, name); image != nil {
			got = image.ID
		}
		if got != want {
			t.Errorf("%q means %q, want %q", name, got, want)
		}
	}
}

func TestImageIDs(t *testing.T) {
	const missing = `{"cause":"image not known","message":"failed to find image web:2: web:2: image not known","response":404}`
	names := []string{"localhost/web:1", "web:2", "localhost:5000/a__b/c.d:v1@sha256:00"}
	want := map[string]string{names[0]: "aa", names[2]: "bb"}
	command := fake(t, `case $3 in
		localhost/web:1) echo '[{"Id":"aa"}]';;
		web:2) echo '[]'; echo 'Error: inspecting object: web:2: image not known' >&2; exit 125;;
		*) echo '[{"Id":"bb"}]';;
		esac`)
	socket := Client{Socket: listen(t, serveImages(map[string]string{
		"/v4.0.0/libpod/images/" + names[0] + "/json": `{"Id":"aa"}`,
		"/v4.0.0/libpod/images/" + names[2] + "/json": `{"Id":"bb"}`,
	}, missing))}
	fallen := command
	fallen.Socket = staleSocket(t)
	for name, client := range map[string]Client{"command": command, "socket": socket, "socket silent": fallen} {
		got, err := client.ImageIDs(t.Context(), names)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("by %s: error %v, ids (-want +got):\n%s", name, err, diff)
		}
	}
}

// serveImages answers for the paths it has, and otherwise with the status 404.
func serveImages(bodies map[string]string, missing string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if body, has := bodies[r.URL.Path]; has {
			io.WriteString(w, body)
			return
		}
		onStatus(http.StatusNotFound, missing)(w, r)
	}
}

func TestImageIDsRefuses(t *testing.T) {
	socket := func(status int, body string) Client { return Client{Socket: listen(t, onStatus(status, body))} }
	tests := map[string]struct {
		client Client
		name   string
		want   string
	}{
		"not installed":            {Client{}, "web", "not installed"},
		"an option":                {socket(200, `{"Id":"aa"}`), "--latest", "malformed"},
		"a path":                   {socket(200, `{"Id":"aa"}`), "a/../../containers", "malformed"},
		"a query":                  {socket(200, `{"Id":"aa"}`), "a?b", "malformed"},
		"a line break":             {socket(200, `{"Id":"aa"}`), "a\n", "malformed"},
		"empty":                    {socket(200, `{"Id":"aa"}`), "", "malformed"},
		"too long":                 {socket(200, `{"Id":"aa"}`), strings.Repeat("a", 5000), "malformed"},
		"404 of something else":    {socket(404, "Not Found"), "web", "status 404"},
		"status 500":               {socket(500, `{"message":"database is locked"}`), "web", "database is locked"},
		"status 500 about one":     {socket(500, `{"message":"layer: image not known"}`), "web", "status 500"},
		"no id":                    {socket(200, `{}`), "web", `image "web": Id is missing`},
		"id of no hexadecimals":    {socket(200, `{"Id":"sha256:00"}`), "web", "not hexadecimal"},
		"the command, otherwise":   {fake(t, `echo 'Error: storage' >&2; exit 125`), "web", "storage"},
		"the command, two at once": {fake(t, `echo '[{"Id":"aa"},{"Id":"bb"}]'`), "web", "asked for one image, got 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.client.ImageIDs(t.Context(), []string{test.name})
			wantError(t, err, test.want)
			if got != nil {
				t.Errorf("got %v beside the error", got)
			}
		})
	}
}

func TestImageIDsOfASocketThatHangs(t *testing.T) {
	client := fake(t, `echo '[{"Id":"aa"}]'`)
	client.Socket = listen(t, hang)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	got, err := client.ImageIDs(ctx, []string{"web"})
	if diff := cmp.Diff(map[string]string{"web": "aa"}, got); err != nil || diff != "" {
		t.Errorf("error %v, ids (-want +got):\n%s", err, diff)
	}
}
