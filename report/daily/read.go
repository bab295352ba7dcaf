package daily

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
)

// Past is what audits saw and did; a [history.Store] is one.
type Past interface {
	Audits(ctx context.Context, since time.Time, limit int) ([]history.AuditSpan, error)
	Standings(ctx context.Context, since time.Time, limit int) ([]history.Standing, error)
	Actions(ctx context.Context, since time.Time, limit int) ([]history.Action, error)
}

// Snapshots are the documents of audits; a [history.Store] has them.
type Snapshots interface {
	LastAudit(ctx context.Context) (*history.AuditSpan, error)
	Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error)
}

// What is read at most. A day of audits every five minutes is 288.
const (
	maxSpans     = 20_000
	maxStandings = 5_000
	maxActions   = 2_000
	maxDocuments = 500
)

// Read reads what a page on the time from since to now is made from.
func Read(ctx context.Context, past Past, snapshots Snapshots, since, now time.Time) (Input, error) {
	in, err := readPast(ctx, past, since)
	if err != nil {
		return Input{}, err
	}
	in.Now, in.Since = now, since
	if in.LastAudit, err = snapshots.LastAudit(ctx); err != nil {
		return Input{}, fmt.Errorf("read the last audit: %w", err)
	}
	if in.LastAudit != nil {
		if in.Document, err = document(ctx, snapshots, *in.LastAudit); err != nil {
			return Input{}, err
		}
	}
	in.Snapshots = map[string]Snapshot{}
	for _, s := range in.Spans {
		if _, known := in.Snapshots[s.DocumentDigest]; known {
			continue
		}
		if len(in.Snapshots) == maxDocuments {
			in.Cut = append(in.Cut, fmt.Sprintf("Of more than %d different snapshots only the newest were read.", maxDocuments))
			break
		}
		doc, err := document(ctx, snapshots, s)
		if err != nil {
			return Input{}, err
		}
		if doc != nil {
			in.Snapshots[s.DocumentDigest] = snapshot(doc)
		}
	}
	return in, nil
}

// readPast reads the lists, and says which of them are cut off.
func readPast(ctx context.Context, past Past, since time.Time) (Input, error) {
	var in Input
	var err error
	if in.Spans, err = past.Audits(ctx, since, maxSpans); err != nil {
		return in, fmt.Errorf("read the audits: %w", err)
	}
	if in.Standings, err = past.Standings(ctx, since, maxStandings); err != nil {
		return in, fmt.Errorf("read the findings: %w", err)
	}
	if in.Actions, err = past.Actions(ctx, since, maxActions); err != nil {
		return in, fmt.Errorf("read the actions: %w", err)
	}
	for _, list := range []struct {
		what       string
		got, limit int
	}{
		{"runs of audits", len(in.Spans), maxSpans},
		{"findings", len(in.Standings), maxStandings},
		{"actions", len(in.Actions), maxActions},
	} {
		if list.got == list.limit {
			in.Cut = append(in.Cut, fmt.Sprintf("Only the newest %d %s were read.", list.limit, list.what))
		}
	}
	return in, nil
}

// document is the one of a span; nil when it is no longer kept.
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

func snapshot(doc *facts.Document) Snapshot {
	out := Snapshot{Whole: true, Units: map[string]Seen{}}
	for _, c := range doc.Collectors {
		out.Whole = out.Whole && c.OK
	}
	for _, u := range doc.Units {
		if !u.IsManaged() {
			continue
		}
		out.Units[u.Name] = Seen{
			Stack:  u.Stack != "",
			Active: u.Loaded != nil && u.Loaded.ActiveState == "active",
			Looked: u.Loaded != nil && doc.Collectors["podman"].OK,
		}
	}
	return out
}
