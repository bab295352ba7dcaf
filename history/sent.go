package history

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/internal/sqlite"
)

// FirstSent returns when each finding was first delivered to any sink, by its ID,
// if that was at or after since.
func (o Outbox) FirstSent(ctx context.Context, since time.Time) (map[int64]time.Time, error) {
	first := map[int64]time.Time{}
	err := o.db.View(ctx, func(tx sqlite.Tx) error {
		_, err := sqlite.List(tx, func(r sqlite.Row) (int64, error) {
			var id, at int64
			err := r.Scan(&id, &at)
			first[id] = sqlite.Moment(at)
			return id, err
		}, "SELECT standing, min(delivered) FROM messages WHERE standing > 0 AND delivered > 0 GROUP BY standing HAVING min(delivered) >= ?", sqlite.Stamp(since))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read when alerts were first sent: %w", err)
	}
	return first, nil
}
