package cli

import (
	"errors"
	"os"
	"testing"
	"time"

	"stackpolicy/facts/collect"
	"stackpolicy/history"
)

// TestRecall: a reader sees an empty memory before the first audit, and never creates one.
// A history that cannot be read is an error: otherwise a rule would see an empty memory.
func TestRecall(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	home := t.TempDir()
	env := collect.Environment{StateHome: home}
	recall := func() (audits int, err error) {
		memory, done := Recall(t.Context(), env)
		defer done()
		m, err := memory.Recall(t.Context(), now)
		return m.Audits, err
	}
	if audits, err := recall(); audits != 0 || err != nil {
		t.Errorf("before the first audit: %d audits, %v", audits, err)
	}
	if _, err := os.Stat(history.Path(home)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a reader created it: %v", err)
	}
	store, err := history.Open(t.Context(), home, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.RecordFailure(t.Context(), now, "no rules"), store.Close()); err != nil {
		t.Fatal(err)
	}
	if audits, err := recall(); audits != 1 || err != nil {
		t.Errorf("after an audit: %d audits, %v", audits, err)
	}
	if err := os.WriteFile(history.Path(home), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := recall(); err == nil {
		t.Error("damaged: no error")
	}
}
