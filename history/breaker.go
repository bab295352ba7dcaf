package history

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/sqlite"
	"stackpolicy/internal/times"
)

// OpenBreaker holds back heals of a subject until the given time. A breaker that is
// already open gets the new reason and end, and keeps its beginning. When it
// returns, that is on disk.
func (l ActionLog) OpenBreaker(ctx context.Context, subject, reason string, at, until time.Time) error {
	err := l.db.UpdateNow(ctx, func(tx sqlite.Tx) error {
		return tx.Do(`INSERT INTO breakers (subject, since, until, reason) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (subject) DO UPDATE SET reason = excluded.reason, until = excluded.until,
			since = iif(until > ?2 AND since <= ?2, since, ?2)`, subject, sqlite.Stamp(at), sqlite.Stamp(until), reason)
	})
	if err != nil {
		return fmt.Errorf("open the breaker of %s: %w", subject, err)
	}
	return nil
}

// CloseBreaker closes a breaker. Earlier actions on the subject no longer count, neither
// against its budget nor as failures. It is no error if no breaker is open.
func (l ActionLog) CloseBreaker(ctx context.Context, subject string, at time.Time) error {
	err := l.db.UpdateNow(ctx, func(tx sqlite.Tx) error {
		if err := tx.Do("DELETE FROM breakers WHERE subject = ?", subject); err != nil {
			return err
		}
		return tx.Do("INSERT INTO forgiven (subject, at) VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET at = excluded.at", subject, sqlite.Stamp(at))
	})
	if err != nil {
		return fmt.Errorf("close the breaker of %s: %w", subject, err)
	}
	return nil
}

// readForgiven returns, by subject, the time before which actions do not count.
func readForgiven(tx sqlite.Tx) (map[string]time.Time, error) {
	until := map[string]time.Time{}
	_, err := sqlite.List(tx, func(r sqlite.Row) (subject string, err error) {
		var at int64
		err = r.Scan(&subject, &at)
		until[subject] = sqlite.Moment(at)
		return subject, err
	}, "SELECT subject, at FROM forgiven")
	return until, err
}

// readBreakers returns the breakers that are open now, by subject. It leaves out breakers
// that begin more than a day from now: the clock was wrong when they were opened.
func readBreakers(tx sqlite.Tx, now time.Time) (map[string]facts.Breaker, error) {
	open := map[string]facts.Breaker{}
	_, err := sqlite.List(tx, func(r sqlite.Row) (b facts.Breaker, err error) {
		var subject string
		var since, until int64
		if err := r.Scan(&subject, &since, &until, &b.Reason); err != nil {
			return b, err
		}
		b.Since, b.Until = times.Earlier(sqlite.Moment(since), now), sqlite.Moment(until)
		open[subject] = b
		return b, nil
	}, "SELECT subject, since, until, reason FROM breakers WHERE until > ? AND since <= ?", sqlite.Stamp(now), sqlite.Stamp(now.Add(day)))
	return open, err
}
