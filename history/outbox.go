package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stackpolicy/internal/sqlite"
)

const (
	// maxWaiting is how many messages may wait for one sink.
	maxWaiting = 1000
	// maxBody bounds a message.
	maxBody = 1 << 20
)

// Message is an alert to send. It is due until it is delivered.
type Message struct {
	ID         int64
	Sink       string
	Key        string // a sink gets each key once, as long as the history keeps it
	Kind       string // firing, repeat or resolved
	Occurrence int64  // ID of the finding; 0 when the message is about no finding
	Verdict    string // what it says about the finding; callers of [Outbox.SinkState] compare it
	Body       []byte // at most 1 MiB
	CreatedAt  time.Time
	NextTry    time.Time
	Tries      int
	LastError  string
}

// Enqueue adds messages, to be tried from their NextTry on. It leaves out a message
// whose key was already sent to the sink or waits, so that it is safe to add everything again
// after a kill. If more than 1,000 wait for one sink, the oldest are dropped and counted.
func (o Outbox) Enqueue(ctx context.Context, messages []Message) error {
	if len(messages) == 0 {
		return nil
	}
	err := o.db.Update(ctx, func(tx sqlite.Tx) error {
		sinks := map[string]bool{}
		for _, m := range messages {
			if len(m.Body) > maxBody {
				return fmt.Errorf("%s of %s is larger than %d KiB", m.Kind, m.Key, maxBody>>10)
			}
			sinks[m.Sink] = true
			err := tx.Do(`INSERT INTO messages (sink, key, kind, standing, verdict, body, created, next) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (sink, key) DO NOTHING`,
				m.Sink, m.Key, m.Kind, m.Occurrence, m.Verdict, append([]byte{}, m.Body...), sqlite.Stamp(m.CreatedAt), sqlite.Stamp(m.NextTry))
			if err != nil {
				return err
			}
		}
		for sink := range sinks {
			if err := dropOldestMessages(tx, sink); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("enqueue alerts: %w", err)
	}
	return nil
}

// dropOldestMessages keeps a sink's newest messages. A key that was dropped is not sent
// again.
func dropOldestMessages(tx sqlite.Tx, sink string) error {
	dropped, err := tx.Change(`UPDATE messages SET body = x'', error = 'dropped: too many were waiting', delivered = 0
		WHERE sink = ?1 AND delivered IS NULL AND id <= (
			SELECT id FROM messages WHERE sink = ?1 AND delivered IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?2)`, sink, maxWaiting)
	if err != nil || dropped == 0 {
		return err
	}
	return tx.Do("INSERT INTO drops VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET count = count + excluded.count", sink, dropped)
}

// Due returns at most limit messages to try now, oldest first. A message that would wait more
// than a day is due too: no retry waits that long, so the clock was wrong.
func (o Outbox) Due(ctx context.Context, now time.Time, limit int) (due []Message, err error) {
	err = o.db.View(ctx, func(tx sqlite.Tx) (err error) {
		due, err = sqlite.List(tx, scanMessage, `SELECT id, sink, key, kind, standing, verdict, body, created, next, tries, error FROM messages
			WHERE delivered IS NULL AND (next <= ? OR next > ?) ORDER BY id LIMIT ?`, sqlite.Stamp(now), sqlite.Stamp(now.Add(day)), max(limit, 0))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the alerts that are due: %w", err)
	}
	return due, nil
}

func scanMessage(r sqlite.Row) (Message, error) {
	var m Message
	var created, next int64
	err := r.Scan(&m.ID, &m.Sink, &m.Key, &m.Kind, &m.Occurrence, &m.Verdict, &m.Body, &created, &next, &m.Tries, &m.LastError)
	m.CreatedAt, m.NextTry = sqlite.Moment(created), sqlite.Moment(next)
	return m, err
}

// Delivered ends a message. If the process is killed before, the message is sent
// again: messages are delivered at least once.
func (o Outbox) Delivered(ctx context.Context, id int64, at time.Time) error {
	err := o.db.Update(ctx, func(tx sqlite.Tx) error {
		return tx.ChangeOne("UPDATE messages SET delivered = ?, body = x'', error = '' WHERE id = ?", max(sqlite.Stamp(at), 1), id)
	})
	if err != nil {
		return fmt.Errorf("record that alert %d was delivered: %w", id, err)
	}
	return nil
}

// Failed counts a try that failed. The next try is at the given time, within a day.
func (o Outbox) Failed(ctx context.Context, id int64, next time.Time, why string) error {
	err := o.db.Update(ctx, func(tx sqlite.Tx) error {
		return tx.ChangeOne("UPDATE messages SET tries = tries + 1, next = ?, error = ? WHERE id = ?", sqlite.Stamp(next), why, id)
	})
	if err != nil {
		return fmt.Errorf("record that alert %d was not delivered: %w", id, err)
	}
	return nil
}

// Claim reports whether the caller may send the message now. If so, no other process may
// send it until the given time. After that it is due again, unless it was delivered.
func (o Outbox) Claim(ctx context.Context, m Message, until time.Time) (claimed bool, err error) {
	err = o.db.Update(ctx, func(tx sqlite.Tx) error {
		n, err := tx.Change("UPDATE messages SET next = ? WHERE id = ? AND next = ? AND tries = ? AND delivered IS NULL",
			sqlite.Stamp(until), m.ID, sqlite.Stamp(m.NextTry), m.Tries)
		claimed = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("claim alert %d: %w", m.ID, err)
	}
	return claimed, nil
}

// SinkState says what a sink was sent about a finding, and what waits to be sent. It is zero
// if there was no message.
type SinkState struct {
	Message int64     // ID of the newest message, dropped ones included
	Kind    string    // of the newest message that was not dropped
	Verdict string    // what it says about the finding; "" in a history of an earlier version
	Sent    time.Time // when the last message was delivered; zero if none was
	Waiting bool      // a message waits
}

// SinkState returns what the sink was sent about the finding.
func (o Outbox) SinkState(ctx context.Context, sink string, occurrence int64) (t SinkState, err error) {
	err = o.db.View(ctx, func(tx sqlite.Tx) error {
		var sent sql.NullInt64
		err := tx.One(`WITH mine AS (SELECT id, kind, verdict, delivered FROM messages WHERE standing = ? AND sink = ?)
			SELECT (SELECT max(id) FROM mine), kind, verdict,
				(SELECT delivered FROM mine WHERE delivered > 0 ORDER BY id DESC LIMIT 1),
				EXISTS (SELECT 1 FROM mine WHERE delivered IS NULL)
			FROM mine WHERE delivered IS NOT 0 ORDER BY id DESC LIMIT 1`, occurrence, sink).
			Scan(&t.Message, &t.Kind, &t.Verdict, &sent, &t.Waiting)
		if sent.Valid {
			t.Sent = sqlite.Moment(sent.Int64)
		}
		return err
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return SinkState{}, fmt.Errorf("read what was sent to a sink: %w", err)
	}
	return t, nil
}

// Continued is the kind of the last message about a finding that another one continues.
const Continued = "continued"

// Continue hands what the sink was sent about a finding on to a later one, which the sink
// takes for the same: what waits is now about the later one, or else the newest message
// counts for it too. For the earlier one a delivered message of kind [Continued] says so.
func (o Outbox) Continue(ctx context.Context, sink string, from, to int64) error {
	const again = `INSERT INTO messages (sink, key, kind, standing, verdict, body, created, next, delivered)
		SELECT sink, ?1 || ' ' || ?4, coalesce(?5, kind), ?1, verdict, x'', created, next, delivered FROM messages
		WHERE standing = ?2 AND sink = ?3 AND delivered > 0 ORDER BY id DESC LIMIT 1
		ON CONFLICT (sink, key) DO NOTHING`
	err := o.db.Update(ctx, func(tx sqlite.Tx) error {
		waiting, err := tx.Change("UPDATE messages SET standing = ? WHERE standing = ? AND sink = ? AND delivered IS NULL", to, from, sink)
		if err != nil {
			return err
		}
		if waiting == 0 {
			if err := tx.Do(again, to, from, sink, "continues", nil); err != nil {
				return err
			}
		}
		return tx.Do(again, from, from, sink, Continued, Continued)
	})
	if err != nil {
		return fmt.Errorf("hand on what a sink was sent about a finding: %w", err)
	}
	return nil
}

// Unfinished returns at most limit findings that were resolved before a time, and about
// which the newest message to some sink is of none of the ended kinds, oldest first.
func (o Outbox) Unfinished(ctx context.Context, before time.Time, ended []string, limit int) (list []Occurrence, err error) {
	kinds, err := json.Marshal(ended)
	if err != nil {
		return nil, fmt.Errorf("read which alerts have no end: %w", err)
	}
	err = o.db.View(ctx, func(tx sqlite.Tx) error {
		// One pass over the messages: there are far fewer than findings that were resolved.
		entries, err := readOccurrences(tx, 0, `resolved < ?1 AND id IN (
			SELECT standing FROM (SELECT standing, kind, max(id) FROM messages WHERE delivered IS NOT 0 GROUP BY standing, sink)
			WHERE kind NOT IN (SELECT value FROM json_each(?2))) ORDER BY id LIMIT ?3`, sqlite.Stamp(before), string(kinds), max(limit, 0))
		for _, e := range entries {
			list = append(list, e.Occurrence)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which alerts have no end: %w", err)
	}
	return list, nil
}

// Dropped counts the messages that were dropped since the history began, by sink.
func (o Outbox) Dropped(ctx context.Context) (map[string]int, error) {
	dropped := map[string]int{}
	err := o.db.View(ctx, func(tx sqlite.Tx) error {
		_, err := sqlite.List(tx, func(r sqlite.Row) (string, error) {
			var sink string
			var n int
			err := r.Scan(&sink, &n)
			dropped[sink] = n
			return sink, err
		}, "SELECT sink, count FROM drops")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read how many alerts were dropped: %w", err)
	}
	return dropped, nil
}
