package podman

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
