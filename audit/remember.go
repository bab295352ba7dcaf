package audit

import (
	"context"
	"slices"
	"time"

	"stackpolicy/decide"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// Store remembers audits and actions; [history.Store] is one.
type Store interface {
	enforce.Ledger
	Recall(ctx context.Context, now time.Time) (facts.Memory, error)
	Verified(ctx context.Context, id int64, healed bool, after *facts.Document) error
	OpenBreaker(ctx context.Context, subject, reason string, at, until time.Time) error
	Record(ctx context.Context, a history.Audit) (history.Changes, error)
}

// remember records a whole audit of the live system. One that cannot be is told
// as a gap: the next audit will not know of this one.
func (a Audit) remember(ctx context.Context, r *Report, took time.Duration) {
	if a.Store == nil || a.Document != nil || len(a.Units) > 0 {
		return
	}
	record := history.Audit{
		At: r.CollectedAt, Mode: r.Mode, ExitCode: r.ExitCode, PolicyDigest: r.Policy.Digest,
		DurationMS: took.Milliseconds(), Document: r.last,
	}
	for _, g := range r.Gaps {
		record.Gaps = append(record.Gaps, g.Collector+": "+g.Error)
	}
	for _, d := range r.Decisions {
		switch {
		case d.IsAllowed():
		case d.Outcome == finding.Healed:
			record.Healed = append(record.Healed, d)
		default:
			record.Findings = append(record.Findings, d)
		}
	}
	changes, err := a.Store.Record(context.WithoutCancel(ctx), record)
	if err != nil {
		a.forgot(r, err)
	}
	r.Changes = changes
}

func (a Audit) forgot(r *Report, err error) {
	r.Gaps = mergeGaps(r.Gaps, []Gap{{"history", "not remembered: " + err.Error()}})
	r.ExitCode = ExitCode(r.Gaps, r.Decisions)
}

// verified records of each action whether what asked for it is gone.
func (a Audit) verified(ctx context.Context, r *Report, after enforce.Observation) {
	for _, action := range r.Actions {
		if action.ID == 0 {
			continue
		}
		if err := a.Store.Verified(ctx, action.ID, healed(action, after.Result), after.Document); err != nil {
			a.forgot(r, err)
		}
	}
}

func healed(a enforce.Action, after decide.Result) bool {
	return a.Status == enforce.Done && !slices.ContainsFunc(after.Decisions, func(d finding.Finding) bool {
		return !d.IsAllowed() && slices.Contains(a.Reasons, enforce.Reason{Invariant: d.Invariant, Subject: d.Subject})
	})
}

// trip opens the breakers of what was acted on without help, or too often.
func (a Audit) trip(ctx context.Context, r *Report, after decide.Result) {
	if a.Store == nil {
		return
	}
	now := r.last.CollectedAt
	memory, err := a.Store.Recall(ctx, now)
	if err != nil {
		a.forgot(r, err)
		return
	}
	e := a.enforcer()
	for _, action := range r.Actions {
		reason := e.Trip(action, healed(action, after), memory.Subjects[action.Subject].Heals)
		if reason == "" {
			continue
		}
		if err := a.Store.OpenBreaker(ctx, action.Subject, reason, now, now.Add(e.Settings.Breaker.Cooldown)); err != nil {
			a.forgot(r, err)
		}
	}
}
