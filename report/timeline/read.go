package timeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
)

// Past has what audits saw and did; a [history.Store] is one.
type Past interface {
	Audits(ctx context.Context, since time.Time, limit int) ([]history.AuditSpan, error)
	Occurrences(ctx context.Context, since time.Time, limit int) ([]history.Occurrence, error)
	Actions(ctx context.Context, since time.Time, limit int) ([]history.Action, error)
}

// Snapshots are the documents of audits; a [history.Store] has them.
type Snapshots interface {
	LastAudit(ctx context.Context) (*history.AuditSpan, error)
	Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error)
}

// The most that is read. A day of audits every five minutes is 288.
const (
	maxSpans       = 20_000
	MaxOccurrences = 5_000
	maxActions     = 2_000
	maxDocuments   = 500
)

// Read reads all that was recorded from since to now.
func Read(ctx context.Context, past Past, snapshots Snapshots, since, now time.Time) (Record, error) {
	r, err := ReadHistory(ctx, past, since, now)
	if err != nil {
		return Record{}, err
	}
	if r.LastAudit, err = snapshots.LastAudit(ctx); err != nil {
		return Record{}, fmt.Errorf("read the last audit: %w", err)
	}
	if r.LastAudit != nil {
		if r.Document, err = document(ctx, snapshots, *r.LastAudit); err != nil {
			return Record{}, err
		}
	}
	r.Snapshots = map[string]Snapshot{}
	for _, s := range r.Spans {
		if _, known := r.Snapshots[s.DocumentDigest]; known {
			continue
		}
		if len(r.Snapshots) == maxDocuments {
			r.Cut = append(r.Cut, fmt.Sprintf("Of more than %d different snapshots only the newest were read.", maxDocuments))
			break
		}
		doc, err := document(ctx, snapshots, s)
		if err != nil {
			return Record{}, err
		}
		if doc != nil {
			r.Snapshots[s.DocumentDigest] = SnapshotOf(doc)
		}
	}
	return r, nil
}

// ReadHistory reads audits, findings and actions alone.
func ReadHistory(ctx context.Context, past Past, since, now time.Time) (Record, error) {
	r := Record{Now: now, Since: since}
	var err error
	if r.Spans, err = past.Audits(ctx, since, maxSpans); err != nil {
		return r, fmt.Errorf("read the audits: %w", err)
	}
	if r.Occurrences, err = past.Occurrences(ctx, since, MaxOccurrences); err != nil {
		return r, fmt.Errorf("read the findings: %w", err)
	}
	if r.Actions, err = past.Actions(ctx, since, maxActions); err != nil {
		return r, fmt.Errorf("read the actions: %w", err)
	}
	for _, list := range []struct {
		what       string
		got, limit int
	}{
		{"runs of audits", len(r.Spans), maxSpans},
		{"findings", len(r.Occurrences), MaxOccurrences},
		{"actions", len(r.Actions), maxActions},
	} {
		if list.got == list.limit {
			r.Cut = append(r.Cut, fmt.Sprintf("Only the newest %d %s were read.", list.limit, list.what))
		}
	}
	return r, nil
}

// document returns the document of a span; nil when it is no longer kept.
func document(ctx context.Context, snapshots Snapshots, s history.AuditSpan) (*facts.Document, error) {
	if s.DocumentDigest == "" {
		return nil, nil
	}
	doc, err := snapshots.Document(ctx, s.DocumentDigest, s.To)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the snapshot of %s: %w", s.To.Format(time.RFC3339), err)
	}
	return doc, nil
}
