package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/sqlite"
	"stackpolicy/internal/times"
)

const day = 24 * time.Hour

// Recall returns the part of the history that the next snapshot needs. It has no time after
// now. If the clock was set back, actions of up to a day after now count as done now, so that
// setting the clock back does not restore a budget.
func (s *Store) Recall(ctx context.Context, now time.Time) (facts.Memory, error) {
	now = now.UTC()
	m := facts.Memory{Subjects: map[string]facts.History{}}
	err := s.db.View(ctx, func(tx sqlite.Tx) error {
		var began int64
		err := tx.One("SELECT began, (SELECT coalesce(max(total), 0) FROM spans) FROM origin").Scan(&began, &m.Audits)
		if err != nil {
			return err
		}
		m.Since = times.Earlier(sqlite.Moment(began), now)
		if err := recallSubjects(tx, &m, now); err != nil || s.version < 2 {
			return err
		}
		return recallExemptions(tx, &m, now)
	})
	if err != nil {
		return facts.Memory{}, fmt.Errorf("recall from the history: %w", err)
	}
	return m, nil
}

func recallSubjects(tx sqlite.Tx, m *facts.Memory, now time.Time) error {
	open, err := readOccurrences(tx, 0, "resolved IS NULL ORDER BY id")
	if err != nil {
		return err
	}
	actions, err := sqlite.List(tx, scanAction, actionQuery+"WHERE at > ? AND at <= ? AND status <> ? ORDER BY actions.id",
		sqlite.Stamp(now.Add(-day)), sqlite.Stamp(now.Add(day)), Refused)
	if err != nil {
		return err
	}
	breakers, err := readBreakers(tx, now)
	if err != nil {
		return err
	}
	loads, err := readLoads(tx)
	if err != nil {
		return err
	}
	forgiven, err := readForgiven(tx)
	if err != nil {
		return err
	}
	if m.Gone, err = readGone(tx); err != nil {
		return err
	}
	r := remembered{m, now}
	r.findings(open)
	r.heals(actions, forgiven)
	if err := r.drifts(tx, actions); err != nil {
		return err
	}
	for subject, b := range breakers {
		r.about(subject, func(h *facts.History) { h.Breaker = &b })
	}
	for unit, l := range loads {
		r.about(unit, func(h *facts.History) { h.Load = &l })
	}
	return nil
}

// remembered collects the history of each subject.
type remembered struct {
	*facts.Memory
	now time.Time
}

// about changes the history of a subject.
func (r remembered) about(subject string, change func(*facts.History)) {
	h, known := r.Subjects[subject]
	if !known {
		h = facts.History{Findings: []facts.OpenFinding{}, Heals: []facts.HealCount{}}
	}
	change(&h)
	r.Subjects[subject] = h
}

// findings adds the open findings, once for each invariant and case.
func (r remembered) findings(open []entry) {
	for _, s := range open {
		f := facts.OpenFinding{Invariant: s.Invariant, Case: s.Case(), Since: times.Earlier(s.Since, r.now)}
		r.about(s.Subject, func(h *facts.History) {
			i, known := slices.BinarySearchFunc(h.Findings, f, func(a, b facts.OpenFinding) int {
				return cmp.Or(cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Case, b.Case))
			})
			if known {
				h.Findings[i].Since = times.Earlier(h.Findings[i].Since, f.Since)
			} else {
				h.Findings = slices.Insert(h.Findings, i, f)
			}
		})
	}
}

// heals counts each action on its subject, except those before a breaker was closed, and once
// for each case that asked for it.
func (r remembered) heals(actions []Action, forgiven map[string]time.Time) {
	for _, a := range actions {
		asked := map[Reason]bool{}
		if a.At.After(forgiven[a.Subject]) {
			asked[Reason{Subject: a.Subject}] = true
		}
		for _, reason := range a.Reasons {
			asked[reason] = true
		}
		for reason := range asked {
			r.about(reason.Subject, func(h *facts.History) { r.count(h, a, reason) })
		}
	}
}

func (r remembered) count(h *facts.History, a Action, asked Reason) {
	at := facts.HealCount{Action: string(a.Action), Invariant: asked.Invariant, Case: asked.Case}
	i, known := slices.BinarySearchFunc(h.Heals, at, func(a, b facts.HealCount) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Case, b.Case))
	})
	if !known {
		h.Heals = slices.Insert(h.Heals, i, at)
	}
	n, healed := &h.Heals[i], a.Healed != nil && *a.Healed
	n.Tried24h++
	switch {
	case healed:
		n.Healed24h++
	case a.Healed != nil || a.Status != Done:
		n.Failed24h++
	}
	if a.At.After(r.now.Add(-time.Hour)) {
		n.Tried1h++
		if healed {
			n.Healed1h++
		}
	}
	if last := times.Earlier(a.At, r.now); last.After(n.Last) {
		n.Last = last
	}
}
