package daily

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
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
		Invariant: stackRunning, Subject: "web.service", Effect: "block", Severity: "page",
		Message: "web.service: container web-db-1 exited (1)", Evidence: map[string]any{"case": "exited"},
	}
	for i := range 12 {
		at := begin.Add(time.Duration(i) * 10 * time.Minute)
		a := history.Audit{At: at, Mode: "observe", Document: snapshotOf(stack("web", "active"), stack("mail", "active"))}
		a.Document.CollectedAt = at
		if i >= 3 && i < 6 {
			a.ExitCode, a.Findings = 2, []finding.Finding{down}
		}
		if _, err := store.Record(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	in, err := Read(t.Context(), store, store, begin.Add(-10*time.Minute), begin.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m := Build(in)
	if want := "In 3 of the 24 looks"; !strings.HasPrefix(m.False.About, want) {
		t.Errorf("got %q, want %q", m.False.About, want)
	}
	if got, want := words(m, "web.service"), "69.2 % in order, page 30 min, not looked at 10 min"; got != want {
		t.Errorf("web.service: got %q, want %q", got, want)
	}
	status, err := ReadStatus(t.Context(), store, begin.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if status.ExitCode() != 0 || len(status.Standings) != 0 {
		t.Errorf("exit status %d with %d findings", status.ExitCode(), len(status.Standings))
	}
	log, err := ReadLog(t.Context(), store, begin, begin.Add(2*time.Hour))
	if err != nil || len(log.Spans) != 3 || len(log.Standings) != 1 {
		t.Errorf("%d spans and %d findings: %v", len(log.Spans), len(log.Standings), err)
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

// failing fails at one of its methods.
type failing struct {
	at string
}

var errDown = errors.New("down")

func (f failing) err(at string) error {
	if f.at == at {
		return errDown
	}
	return nil
}

func (f failing) Audits(context.Context, time.Time, int) ([]history.AuditSpan, error) {
	return make([]history.AuditSpan, maxSpans), f.err("audits")
}

func (f failing) Standings(context.Context, time.Time, int) ([]history.Standing, error) {
	return nil, f.err("findings")
}

func (f failing) Actions(context.Context, time.Time, int) ([]history.Action, error) {
	return nil, f.err("actions")
}

func (f failing) LastAudit(context.Context) (*history.AuditSpan, error) {
	return &history.AuditSpan{DocumentDigest: "x"}, f.err("last audit")
}

func (f failing) Document(context.Context, string, time.Time) (*facts.Document, error) {
	if err := f.err("snapshot"); err != nil {
		return nil, err
	}
	return nil, fs.ErrNotExist
}

func TestReadFails(t *testing.T) {
	for _, at := range []string{"audits", "findings", "actions", "last audit", "snapshot"} {
		_, err := Read(t.Context(), failing{at}, failing{at}, today, today)
		if !errors.Is(err, errDown) || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: got %v", at, err)
		}
	}
	for _, at := range []string{"findings", "last audit"} {
		if _, err := ReadStatus(t.Context(), failing{at}, today); !errors.Is(err, errDown) {
			t.Errorf("status, %s: got %v", at, err)
		}
	}
	in, err := Read(t.Context(), failing{}, failing{}, today, today)
	if err != nil || len(in.Cut) != 1 {
		t.Errorf("cut: %v, want the audits: %v", in.Cut, err)
	}
}
