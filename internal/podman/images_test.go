package podman

import (
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

func TestEvents(t *testing.T) {
	// As the command and as the API print them.
	for way, lines := range map[string]string{
		"command": `{"ID":"ab","Image":"localhost/app:1","Name":"web_app","Status":"create","Time":"2026-01-01T00:00:00Z","Type":"container"}
{"ID":"aa","Name":"localhost/app:1","Status":"tag","Time":"2026-01-01T00:00:00Z","Type":"image"}`,
		"socket": `{"Type":"container","Action":"create","Actor":{"ID":"ab","Attributes":{"image":"localhost/app:1","name":"web_app"}},"time":1}

{"Type":"image","Action":"tag","Actor":{"ID":"aa","Attributes":{"name":"localhost/app:1"}}}`,
	} {
		want := []Event{
			{Type: "container", Action: "create", ID: "ab", Name: "web_app", Image: "localhost/app:1"},
			{Type: "image", Action: "tag", ID: "aa", Name: "localhost/app:1"},
		}
		got, err := fake(t, "cat <<'END'\n"+lines+"\nEND").Events(t.Context(), time.Unix(100, 0), time.Unix(200, 0))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", way, d)
		}
	}
	if got, err := fake(t, "true").Events(t.Context(), time.Unix(100, 0), time.Unix(200, 0)); err != nil || len(got) != 0 {
		t.Errorf("nothing happened: %v, %v", got, err)
	}
	_, err := fake(t, `echo '{"ID'`).Events(t.Context(), time.Unix(100, 0), time.Unix(200, 0))
	wantError(t, err, "malformed JSON")
	_, err = fake(t, `[ "$verb $*" = "events --stream=false --format json --since 100 --until 200 --filter event=create --filter event=pull --filter event=tag" ] || exit 9`).
		Events(t.Context(), time.Unix(100, 0), time.Unix(200, 0))
	if err != nil {
		t.Error(err)
	}
}
