package collect

import (
	"context"
	"errors"
	"slices"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Rememberer knows what earlier audits saw and did. It must respect its context.
type Rememberer interface {
	Recall(ctx context.Context, now time.Time) (facts.Memory, error)
}

var historyRow = collector{name: "history", limit: 3 * time.Second, fills: []string{"history", "units.history"}}

// keepEnded is how long a hold of the configuration stays in documents after its end, as
// one by command does.
const keepEnded = 7 * 24 * time.Hour

// remembered is what earlier audits saw and did; nil if that is not known. The holds of
// the configuration are added to those that were made by commands.
type remembered struct {
	memory *facts.Memory
	holds  map[string]facts.Exemption // by unit
}

func collectHistory(ctx context.Context, source Rememberer, holds []config.Hold, now time.Time) (remembered, error) {
	if source == nil {
		return remembered{}, errors.New("no memory of earlier audits is at hand")
	}
	memory, err := source.Recall(ctx, now)
	return remembered{&memory, declaredHolds(holds, now)}, err
}

func declaredHolds(holds []config.Hold, now time.Time) map[string]facts.Exemption {
	byUnit := map[string]facts.Exemption{}
	for _, h := range holds {
		if h.End().After(now.Add(-keepEnded)) {
			byUnit[h.Unit] = facts.Exemption{Reason: h.Reason, Owner: h.Owner, Until: h.End(), Declared: true}
		}
	}
	return byUnit
}

func (m remembered) fill(doc *facts.Document) {
	host := m.memory.Of(finding.Host)
	doc.History = &facts.HostHistory{
		Since: m.memory.Since, Findings: host.Findings, Heals: host.Heals, Breaker: host.Breaker,
		Exemptions: host.Exemptions,
	}
}

// others returns the history of the units that are not managed and on which actions ran
// or are held back; nil without any.
func (m remembered) others(managed map[string]string) map[string]facts.History {
	if m.memory == nil {
		return nil
	}
	others := map[string]facts.History{}
	for unit, h := range m.memory.Subjects {
		if unit != finding.Host && managed[unit] == "" && (len(h.Heals) > 0 || h.Breaker != nil) {
			others[unit] = m.memory.Of(unit)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return others
}

// hasSeen reports whether an audit has seen the files of a managed unit.
func (m remembered) hasSeen(unit string) bool {
	return m.memory != nil && m.memory.Subjects[unit].Load != nil
}

// of returns the history of a unit; nil if it is not known.
func (m remembered) of(unit string) *facts.History {
	if m.memory == nil {
		return nil
	}
	h := m.memory.Of(unit)
	if hold, held := m.holds[unit]; held {
		h.Exemptions = append(slices.Clip(h.Exemptions), hold)
	}
	return &h
}
