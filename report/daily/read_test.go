package daily

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/report/timeline"
)

// TestReadHistory reads what a real history holds.
func TestReadHistory(t *testing.T) {
	begin := clockTime(8, 0)
	store, err := history.Open(t.Context(), t.TempDir(), begin)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	down := finding.Finding{
		Invariant: timeline.StackRunning, Subject: "web.service", Effect: "block", Severity: "page",
		Message: "web.service: container web-db-1 exited (1)", Evidence: map[string]any{"case": "exited"},
	}
	for i := range 12 {
		at := begin.Add(time.Duration(i) * 10 * time.Minute)
		a := history.Audit{At: at, Mode: "observe", PolicyDigest: "p", Document: snapshotOf(stack("web", "active"), stack("mail", "active"))}
		a.Document.CollectedAt = at
		if i >= 3 && i < 6 {
			a.ExitCode, a.Findings = 2, []finding.Finding{down}
		}
		if _, err := store.Record(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	r, err := timeline.Read(t.Context(), store, store, begin.Add(-10*time.Minute), begin.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m := Build(Input{Record: r})
	if want := "In 3 of 24 observations"; !strings.HasPrefix(m.False.About, want) {
		t.Errorf("got %q, want %q", m.False.About, want)
	}
	if got, want := words(m, "web.service"), "75 % in order, page 30 min, not observed before 08:00"; got != want {
		t.Errorf("web.service: got %q, want %q", got, want)
	}
	status, err := ReadStatus(t.Context(), store, begin.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if status.ExitCode() != 0 || len(status.Occurrences) != 0 {
		t.Errorf("exit status %d with %d findings", status.ExitCode(), len(status.Occurrences))
	}
	log, err := ReadLog(t.Context(), store, begin, begin.Add(2*time.Hour))
	if err != nil || len(log.Spans) != 3 || len(log.Occurrences) != 1 {
		t.Errorf("%d spans and %d findings: %v", len(log.Spans), len(log.Occurrences), err)
	}
}

// words are those of a unit's strip.
func words(m Model, unit string) string {
	for _, u := range m.Units.List {
		if u.Name == unit {
			return u.Strip.Words
		}
	}
	return "no " + unit
}

// unreadable fails at one of its methods.
type unreadable struct{ at string }

var errDown = errors.New("down")

func (u unreadable) err(at string) error {
	if u.at == at {
		return errDown
	}
	return nil
}

func (u unreadable) LastAudit(context.Context) (*history.AuditSpan, error) {
	return nil, u.err("last audit")
}

func (u unreadable) Occurrences(context.Context, time.Time, int) ([]history.Occurrence, error) {
	return nil, u.err("findings")
}

func (u unreadable) Recall(context.Context, time.Time) (facts.Memory, error) {
	return facts.Memory{}, u.err("holds")
}

func (u unreadable) Document(context.Context, string, time.Time) (*facts.Document, error) {
	return nil, u.err("declared holds")
}

func TestReadStatusFails(t *testing.T) {
	for _, at := range []string{"findings", "last audit", "holds"} {
		_, err := ReadStatus(t.Context(), unreadable{at}, today)
		if !errors.Is(err, errDown) || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: got %v", at, err)
		}
	}
}
