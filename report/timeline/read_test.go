package timeline

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
)

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

func (f failing) Occurrences(context.Context, time.Time, int) ([]history.Occurrence, error) {
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
	r, err := Read(t.Context(), failing{}, failing{}, today, today)
	if err != nil || len(r.Cut) != 1 {
		t.Errorf("cut: %v, want the audits: %v", r.Cut, err)
	}
}
