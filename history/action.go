package history

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

// The status of an action.
const (
	Begun   = "begun" // still running, or killed while it ran
	Done    = "done"
	Failed  = "failed"
	Refused = "refused" // nothing was changed: does not count against a budget
)

// Action is one action that was started.
type Action struct {
	ID         int64          `json:"id"`
	At         time.Time      `json:"at"`
	Action     finding.Action `json:"action"`  // daemon-reload, reset-failed or restart
	Subject    string         `json:"subject"` // a unit's name, or host
	Reasons    []Reason       `json:"reasons"`
	Status     string         `json:"status"`
	Healed     *bool          `json:"healed"` // nil: not observed again
	Message    string         `json:"message"`
	DurationMS int64          `json:"duration_ms"`
	Before     string         `json:"before"` // digest of the document it is based on; "" if that is not kept
	After      string         `json:"after"`  // digest of the document it was verified with; "" if that is not kept
}

// Reason is a finding that asks for an action.
type Reason struct {
	Invariant string `json:"invariant"`
	Subject   string `json:"subject"`
	Case      string `json:"case"`
}

// Intend stores an action before it runs, with the document that it is based on, which may
// be nil. When it returns, this is on disk, so the action counts even if the process is
// killed. It uses At, Action, Subject and Reasons of a.
func (l ActionLog) Intend(ctx context.Context, a Action, before *facts.Document) (id int64, err error) {
	reasons, err := sqlite.Encode(append([]Reason{}, a.Reasons...))
	if err != nil {
		return 0, fmt.Errorf("record an intention: %w", err)
	}
	doc, err := packOrNone(before)
	if err != nil {
		return 0, fmt.Errorf("record an intention: %w", err)
	}
	err = l.db.UpdateNow(ctx, func(tx sqlite.Tx) error {
		kept, err := keepDocument(tx, doc)
		if err != nil {
			return err
		}
		id, err = tx.Insert("INSERT INTO actions (at, action, subject, reasons, status, before) VALUES (?, ?, ?, ?, ?, ?)",
			sqlite.Stamp(a.At), a.Action, a.Subject, reasons, Begun, kept)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("record the intention to %s %s: %w", a.Action, a.Subject, err)
	}
	return id, nil
}

// Conclude stores how an action ended: Done, Failed or Refused.
func (l ActionLog) Conclude(ctx context.Context, id int64, status, message string, durationMS int64) error {
	err := l.db.Update(ctx, func(tx sqlite.Tx) error {
		return tx.ChangeOne("UPDATE actions SET status = ?, message = ?, duration_ms = ? WHERE id = ?", status, message, durationMS, id)
	})
	if err != nil {
		return fmt.Errorf("record how action %d ended: %w", id, err)
	}
	return nil
}

// Verified stores whether the findings that asked for an action were gone
// afterwards, and the document that shows it, which may be nil.
func (l ActionLog) Verified(ctx context.Context, id int64, healed bool, after *facts.Document) error {
	doc, err := packOrNone(after)
	if err == nil {
		err = l.db.Update(ctx, func(tx sqlite.Tx) error {
			kept, err := keepDocument(tx, doc)
			if err != nil {
				return err
			}
			return tx.ChangeOne("UPDATE actions SET healed = ?, after = ? WHERE id = ?", healed, kept, id)
		})
	}
	if err != nil {
		return fmt.Errorf("record what action %d healed: %w", id, err)
	}
	return nil
}

// Actions returns at most limit actions that were started at or after since, newest first.
func (l ActionLog) Actions(ctx context.Context, since time.Time, limit int) (actions []Action, err error) {
	err = l.db.View(ctx, func(tx sqlite.Tx) (err error) {
		actions, err = sqlite.List(tx, scanAction, actionQuery+"WHERE at >= ? ORDER BY actions.id DESC LIMIT ?", sqlite.Stamp(since), max(limit, 0))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the actions of the history: %w", err)
	}
	return actions, nil
}

const actionQuery = `SELECT actions.id, at, action, subject, reasons, status, healed, message, duration_ms,
	coalesce(b.digest, ''), coalesce(a.digest, '')
	FROM actions LEFT JOIN documents b ON b.id = before LEFT JOIN documents a ON a.id = after `

func scanAction(r sqlite.Row) (Action, error) {
	var a Action
	var at int64
	var reasons string
	var healed sql.NullBool
	err := r.Scan(&a.ID, &at, &a.Action, &a.Subject, &reasons, &a.Status, &healed, &a.Message, &a.DurationMS, &a.Before, &a.After)
	if err != nil {
		return a, err
	}
	if healed.Valid {
		a.Healed = &healed.Bool
	}
	a.At = sqlite.Moment(at)
	return a, sqlite.Decode(reasons, &a.Reasons)
}
