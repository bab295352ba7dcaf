package audit

import (
	"maps"
	"slices"
	"strings"
	"time"

	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// ReportSchema names the version of the report's shape.
const ReportSchema = "stackpolicy.report/v1"

// Exit statuses, as monitoring plugins have them.
const (
	ExitOK       = 0 // every invariant holds, healed ones included
	ExitWarning  = 1 // tickets, or heals that were not done
	ExitCritical = 2 // a page, or a heal that failed
	ExitUnknown  = 3 // could not look or decide, bad usage, nothing managed
)

// Report is what an audit found and did.
type Report struct {
	Schema      string            `json:"schema"`
	CollectedAt time.Time         `json:"collected_at"`
	Mode        string            `json:"mode" jsonschema:"observe or enforce"`
	Policy      Policy            `json:"policy"`
	ExitCode    int               `json:"exit_code" jsonschema:"0 ok, 1 warning, 2 critical, 3 unknown"`
	Gaps        []Gap             `json:"gaps" jsonschema:"what could not be looked at"`
	Decisions   []finding.Finding `json:"decisions" jsonschema:"every invariant on every subject, as decided on the facts as first collected, allows included"`
	Actions     []enforce.Action  `json:"actions"`

	// Changes is what this audit changed in the memory; empty without one.
	Changes history.Changes `json:"-"`

	after []finding.Finding // decided again after acting; nil when nothing was done, or it could not be
	last  *facts.Document   // as last collected
}

// Policy is what the report was decided by.
type Policy struct {
	Digest     string   `json:"digest"`
	Invariants []string `json:"invariants"`
}

// Gap is something that could not be looked at.
type Gap struct {
	Collector string `json:"collector"`
	Error     string `json:"error"`
}

// gaps lists failed collectors, patterns that match nothing, and the lack of
// anything to judge: none of them is a pass.
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
	}
	if o.Result.Managed == 0 {
		list = append(list, Gap{"config", "no unit is managed: no Home Manager generation declares one, and the configuration names none under units"})
	}
	return list
}

// mergeGaps adds the gaps of a second look. A collector that fails twice may
// do so in other words, and is one gap; the configuration's are told apart.
func mergeGaps(a, b []Gap) []Gap {
	for _, g := range b {
		if !slices.ContainsFunc(a, func(x Gap) bool { return x == g || x.Collector == g.Collector && g.Collector != "config" }) {
			a = append(a, g)
		}
	}
	slices.SortStableFunc(a, func(x, y Gap) int { return strings.Compare(x.Collector, y.Collector) })
	return a
}

// setOutcomes says of every heal what became of it. Healed is only what was
// decided again and is now in order. A waived one has no outcome.
func setOutcomes(r *Report) {
	for i := range r.Decisions {
		d := &r.Decisions[i]
		if d.Effect != finding.Heal || d.Waiver != nil {
			continue
		}
		d.Outcome = finding.Planned // one that came up after acting waits for the next audit
		for _, a := range r.Actions {
			if slices.Contains(a.Reasons, enforce.Reason{Invariant: d.Invariant, Subject: d.Subject}) && a.Action == d.Action {
				d.Outcome = r.outcome(a, *d)
			}
		}
	}
}

func (r *Report) outcome(a enforce.Action, d finding.Finding) finding.Outcome {
	switch {
	case a.Status == enforce.Planned:
		return finding.Planned
	case a.Status == enforce.Refused:
		return finding.Refused
	case a.Status == enforce.Done && r.after != nil && !stillFound(r.after, d):
		return finding.Healed
	}
	return finding.HealFailed
}

// stillFound: the finding stands, or whether it does could not be decided.
func stillFound(after []finding.Finding, d finding.Finding) bool {
	return slices.ContainsFunc(after, func(x finding.Finding) bool {
		same := x.Invariant == d.Invariant && !x.IsAllowed()
		return same && (x.Subject == d.Subject || x.IsUnknown())
	})
}

// ExitCode is the exit status for gaps and decisions together. A gap is
// [finding.LevelUnknown], and what is waived does not count.
func ExitCode(gaps []Gap, decisions []finding.Finding) int {
	level := finding.WorstOf(decisions)
	if len(gaps) > 0 {
		level = finding.Worst(level, finding.LevelUnknown)
	}
	return level.ExitCode()
}
