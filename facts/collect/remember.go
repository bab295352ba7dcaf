package collect

import (
	"context"
	"errors"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Rememberer knows what earlier audits saw and did. It must respect its context.
type Rememberer interface {
	Recall(ctx context.Context, now time.Time) (facts.Memory, error)
}

// collectHistory asks the memory, for the rules and for the collectors after
// it.
func collectHistory(ctx context.Context, r *run) (func(), error) {
	if r.env.Memory == nil {
		return nil, errors.New("no memory of earlier audits is at hand")
	}
	memory, err := r.env.Memory.Recall(ctx, r.doc.CollectedAt)
	if err != nil {
		return nil, err
	}
	return func() {
		host := memory.Of(finding.Host)
		r.doc.History = &facts.HostHistory{
			Since: memory.Since, Findings: host.Findings, Heals: host.Heals, Breaker: host.Breaker,
			Exemptions: host.Exemptions,
		}
		r.memory = &memory
	}, nil
}

// remember hangs what is remembered of a unit under it.
func (r *run) remember(u *facts.Unit) {
	if r.memory != nil {
		h := r.memory.Of(u.Name)
		u.History = &h
	}
}
