package history

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/internal/sqlite"
)

// RecordFailure adds an audit that could not begin. Its exit status is unknown, and its only
// gap is the reason, in one line. Earlier findings stay open, last seen by the previous
// audit.
func (l AuditLog) RecordFailure(ctx context.Context, at time.Time, reason string) error {
	err := l.db.Update(ctx, func(tx sqlite.Tx) error {
		last, err := lastSpan(tx)
		if err != nil {
			return err
		}
		if err := tx.Do("UPDATE standings SET seen = ? WHERE resolved IS NULL AND seen IS NULL", last.last); err != nil {
			return err
		}
		now, err := Audit{At: at.UTC(), Mode: "observe", ExitCode: 3, Gaps: []string{reason}}.span()
		if err != nil {
			return err
		}
		now.total = last.total + 1
		return extendSpans(tx, last, now, true)
	})
	if err != nil {
		return fmt.Errorf("record that the audit could not begin: %w", err)
	}
	return nil
}

// Began reports whether the span's audits began. It is false for those of
// [Store.RecordFailure].
func (a AuditSpan) Began() bool { return a.PolicyDigest != "" }
