package history

import (
	"context"
	"fmt"
	"time"
)

// RecordFailure adds an audit that could not begin, as one that is unknown: its
// one gap is the reason, in one line. What was found before stays open, last
// seen by the audit before.
func (s *Store) RecordFailure(ctx context.Context, at time.Time, reason string) error {
	err := s.update(ctx, func(c call) error {
		last, err := c.lastSpan()
		if err != nil {
			return err
		}
		if err := c.do("UPDATE standings SET seen = ? WHERE resolved IS NULL AND seen IS NULL", last.last); err != nil {
			return err
		}
		now, err := Audit{At: at.UTC(), Mode: "observe", ExitCode: 3, Gaps: []string{reason}}.span()
		if err != nil {
			return err
		}
		now.total = last.total + 1
		return c.extend(last, now, true)
	})
	if err != nil {
		return fmt.Errorf("record that the audit could not begin: %w", err)
	}
	return nil
}

// Began reports whether the span's audits began, which [Store.RecordFailure]
// says they did not.
func (a AuditSpan) Began() bool { return a.PolicyDigest != "" }
