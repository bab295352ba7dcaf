package history

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stackpolicy/internal/sqlite"
)

// AuditSpan is a series of audits with the same result.
type AuditSpan struct {
	From           time.Time `json:"from"`
	To             time.Time `json:"to"` // never before From
	Count          int       `json:"count"`
	Mode           string    `json:"mode"`
	ExitCode       int       `json:"exit_code"`
	PolicyDigest   string    `json:"policy_digest"`
	DocumentDigest string    `json:"document_digest"` // "" when the document is no longer kept
	VerdictDigest  string    `json:"verdict_digest"`  // of what was decided; "" when that was not kept
	DurationMS     int64     `json:"duration_ms"`     // of the last audit
	Gaps           []string  `json:"gaps"`
}

// LastAudit returns the span of the last audit; nil if there was no audit.
func (l AuditLog) LastAudit(ctx context.Context) (*AuditSpan, error) {
	spans, err := l.Audits(ctx, time.Time{}, 1)
	if err != nil || len(spans) == 0 {
		return nil, err
	}
	return &spans[0], nil
}

// Audits returns at most limit spans that end at or after since, newest first.
func (l AuditLog) Audits(ctx context.Context, since time.Time, limit int) (spans []AuditSpan, err error) {
	verdict := "verdict"
	if l.version < version {
		verdict = "''"
	}
	err = l.db.View(ctx, func(tx sqlite.Tx) (err error) {
		spans, err = sqlite.List(tx, scanSpan, `SELECT first, last, count, mode, exit_code, policy, digest, duration_ms, gaps, `+verdict+`
			FROM spans LEFT JOIN documents ON documents.id = document
			WHERE last >= ? ORDER BY spans.id DESC LIMIT ?`, sqlite.Stamp(since), max(limit, 0))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the audits of the history: %w", err)
	}
	return spans, nil
}

func scanSpan(r sqlite.Row) (AuditSpan, error) {
	var a AuditSpan
	var first, last int64
	var digest sql.NullString
	var gaps string
	err := r.Scan(&first, &last, &a.Count, &a.Mode, &a.ExitCode, &a.PolicyDigest, &digest, &a.DurationMS, &gaps, &a.VerdictDigest)
	if err != nil {
		return a, err
	}
	a.From, a.To, a.DocumentDigest = sqlite.Moment(first), sqlite.Moment(last), digest.String
	return a, sqlite.Decode(gaps, &a.Gaps)
}

// Occurrences returns at most limit findings that are open, or were resolved at or after
// since: first the open findings, then those that were resolved last.
func (l AuditLog) Occurrences(ctx context.Context, since time.Time, limit int) (occurrences []Occurrence, err error) {
	occurrences = []Occurrence{}
	err = l.db.View(ctx, func(tx sqlite.Tx) error {
		last, err := lastSpan(tx)
		if err != nil {
			return err
		}
		entries, err := readOccurrences(tx, last.last, `resolved IS NULL OR resolved >= ?
			ORDER BY resolved IS NOT NULL, resolved DESC, id DESC LIMIT ?`, sqlite.Stamp(since), max(limit, 0))
		for _, e := range entries {
			occurrences = append(occurrences, e.Occurrence)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the findings of the history: %w", err)
	}
	return occurrences, nil
}
