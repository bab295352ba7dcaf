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

var historyRow = collector{name: "history", limit: 3 * time.Second, fills: []string{"history", "units.history"}}

// remembered is what earlier audits saw and did; nil if that is not known.
type remembered struct{ memory *facts.Memory }

func collectHistory(ctx context.Context, source Rememberer, now time.Time) (remembered, error) {
	if source == nil {
		return remembered{}, errors.New("no memory of earlier audits is at hand")
	}
	memory, err := source.Recall(ctx, now)
	return remembered{&memory}, err
}

func (m remembered) fill(doc *facts.Document) {
	host := m.memory.Of(finding.Host)
	doc.History = &facts.HostHistory{
		Since: m.memory.Since, Findings: host.Findings, Heals: host.Heals, Breaker: host.Breaker,
		Exemptions: host.Exemptions,
	}
}

// of returns the history of a unit; nil if it is not known.
func (m remembered) of(unit string) *facts.History {
	if m.memory == nil {
		return nil
	}
	h := m.memory.Of(unit)
	return &h
}
