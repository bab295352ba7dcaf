package past

import (
	"os"
	"testing"
	"time"

	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/history"
	"stackpolicy/policies"
	"stackpolicy/replay"
)

// TestLive checks that an audit recalls what Live has written.
func TestLive(t *testing.T) {
	doc := good(t)
	home, now := t.TempDir(), time.Now()
	if err := Live(t.Context(), home, doc, now, 2, nil); err != nil {
		t.Fatal(err)
	}
	s, err := history.OpenReadOnly(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	memory, err1 := s.Recall(t.Context(), now)
	spans, err2 := s.Audits(t.Context(), time.Time{}, 1000)
	actions, err3 := s.Actions(t.Context(), time.Time{}, 1000)
	occurrences, err4 := s.Occurrences(t.Context(), time.Time{}, 1000)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Fatal(err1, err2, err3, err4)
	}
	if memory.Audits != 96 || len(spans) != 96 || len(actions) != 2 || len(occurrences) != 19 {
		t.Errorf("%d audits in %d spans, %d actions, %d findings; want 96, 96, 2, 19", memory.Audits, len(spans), len(actions), len(occurrences))
	}
	if due, err := s.Due(t.Context(), now, 1000); err != nil || len(due) > 0 {
		t.Errorf("%d messages wait, %v", len(due), err)
	}
}

// TestLiveDecided checks that what policies decided can be decided again to the same bytes.
func TestLiveDecided(t *testing.T) {
	doc := good(t)
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true, Memory: decide.NewMemory(), Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := Live(t.Context(), home, doc, time.Now(), 2, p); err != nil {
		t.Fatal(err)
	}
	s, err := history.OpenReadOnly(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := replay.Run(t.Context(), replay.Of(s), replay.Options{Present: p})
	if err != nil || r.Audits != 96 || r.Same != 96 || r.Documents < 90 {
		t.Errorf("%d of %d audits of %d documents are the same, %v; want all 96", r.Same, r.Audits, r.Documents, err)
	}
}

func good(t *testing.T) *facts.Document {
	t.Helper()
	f, err := os.Open("../../../testdata/facts/good.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := facts.Read(f.Name(), f)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
