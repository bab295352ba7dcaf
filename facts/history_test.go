package facts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHeldAt(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	until := func(invariant string, d time.Duration) Exemption {
		return Exemption{Invariant: invariant, Reason: invariant + d.String(), Until: now.Add(d)}
	}
	cases := map[string]struct {
		exemptions []Exemption
		want       string // reason of the hold
	}{
		"none":                 {nil, ""},
		"a hold":               {[]Exemption{until("", time.Minute)}, "1m0s"},
		"it has ended":         {[]Exemption{until("", -time.Minute)}, ""},
		"it ends now":          {[]Exemption{until("", 0)}, ""},
		"a waiver is no hold":  {[]Exemption{until("stack_running", time.Hour)}, ""},
		"one ended, one lasts": {[]Exemption{until("", -time.Minute), until("x", time.Hour), until("", time.Hour)}, "1h0m0s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := ""
			if hold := (History{Exemptions: c.exemptions}).HeldAt(now); hold != nil {
				got = hold.Reason
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestMemoryOf: rules see lists, never null, also for a subject without a history.
func TestMemoryOf(t *testing.T) {
	m := Memory{Subjects: map[string]History{
		"web.service": {Findings: []OpenFinding{{Invariant: "stack_running"}}, Breaker: &Breaker{Reason: "budget"}},
	}}
	for subject, want := range map[string]string{
		"other.service": `{"findings":[],"heals":[],"exemptions":[]}`,
		"web.service": `{"findings":[{"invariant":"stack_running","case":"","since":"0001-01-01T00:00:00Z"}],"heals":[],` +
			`"breaker":{"since":"0001-01-01T00:00:00Z","until":"0001-01-01T00:00:00Z","reason":"budget"},"exemptions":[]}`,
	} {
		got, err := json.Marshal(m.Of(subject))
		if d := cmp.Diff(want, string(got)); d != "" || err != nil {
			t.Errorf("%s: %v, -want +got\n%s", subject, err, d)
		}
	}
	if m.Subjects["web.service"].Heals != nil {
		t.Error("Of changed the memory")
	}
}

// TestReadAFile: a file of known size is read like a stream.
func TestReadAFile(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "testdata", "facts", "good.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if size := sizeOf(f); size < 1000 {
		t.Errorf("its size is %d", size)
	}
	doc, err := Read("good.json", f)
	if err != nil {
		t.Fatal(err)
	}
	gaps := doc.Gaps()
	delete(gaps, "local") // no rule of that audit read it
	delete(gaps, "release")
	delete(gaps, "units.properties")
	if len(gaps) != 0 || len(doc.Subjects()) == 0 {
		t.Errorf("gaps %v, subjects %v", gaps, doc.Subjects())
	}
}
