package audit

import (
	"maps"
	"slices"
	"strings"

	"stackpolicy/enforce"
	"stackpolicy/finding"
)

// Gap is something that could not be observed: Collector names it, Error is the reason.
type Gap struct {
	Collector string `json:"collector"`
	Error     string `json:"error"`
}

// finding returns the gap as a finding of the host. It belongs to no rule.
func (g Gap) finding() finding.Finding {
	return finding.Finding{
		Invariant: finding.AuditComplete, Subject: finding.Host, Effect: finding.Block, Severity: finding.Unknown, Message: g.Error,
		Evidence: map[string]any{"case": finding.CaseGap, "collector": g.Collector},
	}
}

// gaps lists what is no pass: collectors that failed, patterns that match no unit, and
// that no unit is managed.
func gaps(o enforce.Observation) []Gap {
	list := []Gap{}
	for _, name := range slices.Sorted(maps.Keys(o.Document.Collectors)) {
		if s := o.Document.Collectors[name]; !s.OK {
			list = append(list, Gap{name, s.Error})
		}
	}
	if d := o.Document.Declared; d != nil {
		for _, p := range d.Patterns {
			if p.Matched == 0 {
				list = append(list, Gap{"config", "units: the pattern " + p.Pattern + " matches no unit"})
			}
		}
		for _, unit := range d.IdleHolds {
			list = append(list, Gap{"config", "holds: " + unit + " is not managed"})
		}
	}
	if o.Result.Managed == 0 {
		list = append(list, Gap{"config", "no unit is managed: no Home Manager generation declares one, and the configuration names none under units. To set them up: `stackpolicy init --write`"})
	}
	return list
}

// mergeGaps adds later gaps. A collector that failed twice is one gap, although its
// errors may differ. Every gap of the configuration is kept.
func mergeGaps(a, b []Gap) []Gap {
	for _, g := range b {
		if !slices.ContainsFunc(a, func(x Gap) bool { return x == g || x.Collector == g.Collector && g.Collector != "config" }) {
			a = append(a, g)
		}
	}
	slices.SortStableFunc(a, func(x, y Gap) int { return strings.Compare(x.Collector, y.Collector) })
	return a
}

func notRemembered(err error) Gap { return Gap{"history", "not remembered: " + err.Error()} }
