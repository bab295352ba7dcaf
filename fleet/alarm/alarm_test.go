package alarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/overview"
	"stackpolicy/notify"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func source(now time.Time, change func(*overview.Source)) overview.Source {
	s := overview.Source{
		Source: fleet.Source{Org: "acme", Host: "den", User: "ada"}, Enrolled: noon.Add(-24 * time.Hour), Received: now, Newest: 9, Applied: 9,
		Beat: fleet.Beat{Audited: now},
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestFindings(t *testing.T) {
	cases := map[string]struct {
		change func(*overview.Source)
		want   []string
	}{
		"good":               {nil, nil},
		"a page of the host": {func(s *overview.Source) { s.Beat.ExitCode = 2 }, nil},
		"silent":             {func(s *overview.Source) { s.Received, s.Beat.Audited = noon.Add(-time.Hour), noon.Add(-time.Hour) }, []string{"page source_heard"}},
		"no audit":           {func(s *overview.Source) { s.Beat.Audited = noon.Add(-time.Hour) }, []string{"page source_audits"}},
		"never":              {func(s *overview.Source) { s.Received = time.Time{} }, []string{"ticket source_heard"}},
		"not yet":            {func(s *overview.Source) { s.Received, s.Enrolled = time.Time{}, noon.Add(-time.Minute) }, nil},
		"a fork":             {func(s *overview.Source) { s.Fork = "x" }, []string{"page source_trusted"}},
		"a gap":              {func(s *overview.Source) { s.Missing = []fleet.Range{{From: 1, To: 2}} }, []string{"ticket evidence_complete"}},
		"a gap that it fills": {func(s *overview.Source) { s.Missing, s.Beat.Waiting = []fleet.Range{{From: 1, To: 2}}, 2 },
			nil},
		"a clock":            {func(s *overview.Source) { s.Clock = "x" }, []string{"ticket clock_right"}},
		"it went back":       {func(s *overview.Source) { s.Beat.Release = &fleet.Release{Stage: "back"} }, []string{"ticket release_kept"}},
		"a fork, but silent": {func(s *overview.Source) { s.Fork, s.Received = "x", noon.Add(-time.Hour) }, []string{"page source_trusted", "page source_heard"}},
		"revoked":            {func(s *overview.Source) { s.Fork, s.Revoked = "x", &noon }, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			check(t, overview.Build([]overview.Source{source(noon, c.change)}, noon), c.want)
		})
	}
	f := overview.Build([]overview.Source{source(noon, nil)}, noon)
	f.Channels = []overview.Channel{{Name: "edge"}, {Name: "stable", Halted: true}}
	f.Ends = []overview.End{{What: "a", At: noon.Add(20 * 24 * time.Hour)}, {What: "b", At: noon.Add(24 * time.Hour)}, {What: "c", At: noon}}
	check(t, f, []string{"ticket release_goes_on", "ticket signature_valid", "page signature_valid"})
}

// check compares findings. Each has steps.
func check(t *testing.T, f overview.Fleet, want []string) {
	t.Helper()
	var got []string
	for _, f := range Findings(f) {
		got = append(got, string(f.Severity)+" "+f.Invariant)
		if len(steps(f)) == 0 || f.Message == "" || f.Level() == finding.LevelOK {
			t.Errorf("%s: no step, no message, or it does not count: %+v", f.Invariant, f)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// sink is a web service that alerts are sent to.
type sink struct {
	*httptest.Server
	mu   sync.Mutex
	got  []notify.Alert
	down bool
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var a notify.Alert
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil || s.down {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		s.got = append(s.got, a)
	}))
	t.Cleanup(s.Close)
	return s
}

// taken returns what was sent since the last call.
func (s *sink) taken() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.got {
		list = append(list, a.Kind+" "+a.Title)
	}
	s.got = nil
	return list
}

func configured(t *testing.T, text string) string {
	t.Helper()
	data := t.TempDir()
	if err := os.WriteFile(Path(data), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return data
}

func environment(now *time.Time) notify.Environment {
	return notify.Environment{Client: notify.Client(), Clock: func() time.Time { return *now }}
}

func none(io.Writer) error { return nil }

// TestLife: one alert when a host falls silent, also over restarts of the hub, and one when it is back.
func TestLife(t *testing.T) {
	s, now := newSink(t), noon
	data := configured(t, fmt.Sprintf("journal: {severity: none}\nwebhooks: [{name: chat, url: %q, severity: ticket}]\n", s.URL))
	heardAt := noon
	for _, step := range []struct {
		what  string
		after time.Duration
		heard bool
		down  bool
		want  []string
	}{
		{"all is well", 0, true, false, nil},
		{"it is silent, not too long", 29 * time.Minute, false, false, nil},
		{"too long, and the service is down", 2 * time.Minute, false, true, nil},
		{"the service is back", 30 * time.Minute, false, false, []string{"firing PAGE: source_heard on den ada (hub)"}},
		{"a minute later", time.Minute, false, false, nil},
		{"it is back", time.Minute, true, false, nil},
		{"and stays", 10 * time.Minute, true, false, []string{"resolved RESOLVED: source_heard on den ada (hub)"}},
		{"for long", time.Hour, true, false, nil},
	} {
		now = now.Add(step.after)
		if step.heard {
			heardAt = now
		}
		s.mu.Lock()
		s.down = step.down
		s.mu.Unlock()
		f := overview.Build([]overview.Source{source(heardAt, nil)}, now)
		notices := Tell(t.Context(), data, "hub", environment(&now), f, none)
		if got := s.taken(); !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
		if (len(notices) > 0) != step.down {
			t.Errorf("%s: %v", step.what, notices)
		}
	}
}

func TestTextfile(t *testing.T) {
	file, now := filepath.Join(t.TempDir(), "fleet.prom"), noon
	data := configured(t, fmt.Sprintf("journal: {severity: none}\ntextfile: %s\n", file))
	notices := Tell(t.Context(), data, "hub", environment(&now), overview.Build(nil, now), func(w io.Writer) error {
		_, err := io.WriteString(w, "# EOF\n")
		return err
	})
	if text, err := os.ReadFile(file); err != nil || string(text) != "# EOF\n" || len(notices) > 0 {
		t.Errorf("%q, %v, %v", text, err, notices)
	}
}

// TestConfiguration: without one nobody is told and nothing is made; a wrong one is an error that
// names the key.
func TestConfiguration(t *testing.T) {
	now, empty := noon, t.TempDir()
	if _, err := Open(t.Context(), empty, "hub", environment(&now)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without one: %v", err)
	}
	if notices := Tell(t.Context(), empty, "hub", environment(&now), overview.Build(nil, now), none); len(notices) > 0 {
		t.Errorf("without one: %v", notices)
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) > 0 {
		t.Errorf("made %v, %v", entries, err)
	}
	for text, want := range map[string]string{"webhook: []": "webhook", "journal: {severity: loud}": "alerts.journal.severity", "a: [": "alerts.yaml"} {
		_, err := Open(t.Context(), configured(t, text), "hub", environment(&now))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestIsSettled: a hub that was away does not tell of hosts that had nobody to send to.
func TestIsSettled(t *testing.T) {
	now, data := noon, configured(t, "journal: {severity: none}\n")
	settled := func(began time.Duration, after time.Duration) bool {
		return IsSettled(t.Context(), data, noon.Add(began), noon.Add(began+after))
	}
	if settled(0, 29*time.Minute) || !settled(0, 30*time.Minute) {
		t.Error("the first time")
	}
	Tell(t.Context(), data, "hub", environment(&now), overview.Build(nil, now), none)
	if !settled(5*time.Minute, time.Minute) || settled(4*time.Hour, time.Minute) || !settled(4*time.Hour, 30*time.Minute) || !settled(-time.Hour, time.Hour) {
		t.Error("after it told")
	}
}
