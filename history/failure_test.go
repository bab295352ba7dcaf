package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// spansOf returns exit status, count and gaps of the spans, the newest first.
func spansOf(t *testing.T, s *Store) (list []AuditSpan) {
	t.Helper()
	for _, a := range must(s.Audits(t.Context(), time.Time{}, 10))(t) {
		list = append(list, AuditSpan{From: a.From, To: a.To, Count: a.Count, ExitCode: a.ExitCode, Gaps: a.Gaps, PolicyDigest: a.PolicyDigest})
	}
	return list
}

// TestFailure: an audit that could not begin becomes the last audit, equal failures are one
// span, and open findings stay open, last seen before it.
func TestFailure(t *testing.T) {
	s, _ := opened(t)
	fail := func(minutes int, reason string) {
		t.Helper()
		if err := s.RecordFailure(t.Context(), noon.Add(time.Duration(minutes)*time.Minute), reason); err != nil {
			t.Fatal(err)
		}
	}
	fail(-10, "first of all")
	page, doc := broken("stack_running", "web.service", "exited"), document(t, 1)
	recorded(t, s, audited(doc, noon, page))
	fail(10, "unknown key")
	fail(20, "unknown key")
	fail(30, "refused rules")

	want := []AuditSpan{
		{From: noon.Add(30 * time.Minute), To: noon.Add(30 * time.Minute), Count: 1, ExitCode: 3, Gaps: []string{"refused rules"}},
		{From: noon.Add(10 * time.Minute), To: noon.Add(20 * time.Minute), Count: 2, ExitCode: 3, Gaps: []string{"unknown key"}},
		{From: noon, To: noon, Count: 1, Gaps: []string{}, PolicyDigest: "sha256:policies"},
		{From: noon.Add(-10 * time.Minute), To: noon.Add(-10 * time.Minute), Count: 1, ExitCode: 3, Gaps: []string{"first of all"}},
	}
	got := spansOf(t, s)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got[0].Began() || !got[2].Began() {
		t.Error("which audits began is not known")
	}
	open := must(s.Occurrences(t.Context(), noon, 10))(t)
	if len(open) != 1 || open[0].ResolvedAt != nil || !open[0].LastSeen.Equal(noon) {
		t.Errorf("open is %+v", open)
	}

	// The next audit that begins decides again.
	changes := recorded(t, s, audited(doc, noon.Add(40*time.Minute), page))
	open = must(s.Occurrences(t.Context(), noon, 10))(t)
	if !changes.none() || len(open) != 1 || !open[0].Since.Equal(noon) || !open[0].LastSeen.Equal(noon.Add(40*time.Minute)) {
		t.Errorf("changes %+v, open %+v", changes, open)
	}
	if changes := recorded(t, s, audited(doc, noon.Add(50*time.Minute))); len(changes.Resolved) != 1 {
		t.Errorf("changes %+v", changes)
	}
}
