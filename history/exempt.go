package history

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/sqlite"
	"stackpolicy/internal/times"
)

// keepEnded is how long an exemption that has ended is remembered.
const keepEnded = 7 * day

// Exempt stores a waiver of an invariant on a subject or, without an invariant, a hold. It
// replaces an earlier one. When it returns, that is on disk.
func (x Exemptions) Exempt(ctx context.Context, subject string, e facts.Exemption) error {
	err := x.db.UpdateNow(ctx, func(tx sqlite.Tx) error {
		if err := tx.Do("DELETE FROM exemptions WHERE until <= ?", sqlite.Stamp(e.Since.Add(-keepEnded))); err != nil {
			return err
		}
		return tx.Do("INSERT OR REPLACE INTO exemptions VALUES (?, ?, ?, ?, ?, ?)",
			subject, e.Invariant, e.Reason, e.Owner, sqlite.Stamp(e.Since), sqlite.Stamp(e.Until))
	})
	if err != nil {
		return fmt.Errorf("remember it for %s: %w", subject, err)
	}
	return nil
}

// EndExemption deletes a waiver or, without an invariant, a hold. It reports whether there
// was one.
func (x Exemptions) EndExemption(ctx context.Context, subject, invariant string) (bool, error) {
	var n int64
	err := x.db.UpdateNow(ctx, func(tx sqlite.Tx) (err error) {
		n, err = tx.Change("DELETE FROM exemptions WHERE subject = ? AND invariant = ?", subject, invariant)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("forget it for %s: %w", subject, err)
	}
	return n > 0, nil
}

func recallExemptions(tx sqlite.Tx, m *facts.Memory, now time.Time) error {
	r := remembered{m, now}
	_, err := sqlite.List(tx, func(row sqlite.Row) (e facts.Exemption, err error) {
		var subject string
		var since, until int64
		if err := row.Scan(&subject, &e.Invariant, &e.Reason, &e.Owner, &since, &until); err != nil {
			return e, err
		}
		e.Since, e.Until = times.Earlier(sqlite.Moment(since), now), sqlite.Moment(until)
		r.about(subject, func(h *facts.History) { h.Exemptions = append(h.Exemptions, e) })
		return e, nil
	}, `SELECT subject, invariant, reason, owner, since, until FROM exemptions
		WHERE until > ? ORDER BY subject, invariant`, sqlite.Stamp(now.Add(-keepEnded)))
	return err
}
