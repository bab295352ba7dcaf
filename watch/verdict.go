package watch

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// Schema names the version of a line's shape.
const Schema = "stackpolicy.watch/v1"

// Line says that a verdict changed, or that the first one is there.
type Line struct {
	Time      time.Time        `json:"time"`
	Ready     bool             `json:"ready,omitempty" jsonschema:"the first verdict is there; the changes after it follow"`
	ExitCode  *int             `json:"exit_code,omitempty" jsonschema:"of the first verdict, as that of stackpolicy eval"`
	Invariant string           `json:"invariant,omitempty"`
	Subject   string           `json:"subject,omitempty" jsonschema:"a unit's name, or host"`
	Effect    finding.Effect   `json:"effect,omitempty" jsonschema:"allow, heal or block: the worst of the findings of this invariant on the subject"`
	Severity  finding.Severity `json:"severity,omitempty" jsonschema:"page, ticket or unknown; absent where the effect is allow"`
	Was       finding.Effect   `json:"was,omitempty" jsonschema:"the effect before"`
	Waived    bool             `json:"waived,omitempty" jsonschema:"a waiver or hold covers it: it does not count"`
	Message   string           `json:"message,omitempty"`
}

// verdict is what was found, the worst of each invariant on each subject.
type verdict struct {
	exit  int
	found map[about]finding.Finding
	text  string // of all findings, without what actions did
	none  bool   // nothing was decided
}

type about struct{ subject, invariant string }

func verdictOf(r *audit.Report) verdict {
	v := verdict{exit: r.ExitCode, found: map[about]finding.Finding{}}
	open := r.Open()
	for i, f := range open {
		key := about{f.Subject, f.Invariant}
		if known, has := v.found[key]; !has || isWorse(f, known) {
			v.found[key] = f
		}
		open[i].Outcome, open[i].AppearedAfter = "", nil
	}
	text, _ := json.Marshal(open) // evidence has only JSON values
	v.text = string(text)
	return v
}

// unsure takes over what was found before by invariants that cannot be decided now: whether it
// is still so is unknown.
func (v verdict) unsure(before verdict) {
	for k, f := range before.found {
		if _, is := v.found[k]; is || !v.none && !v.found[about{finding.Host, k.invariant}].IsUnknown() {
			continue
		}
		f.Effect, f.Severity, f.Waiver = finding.Block, finding.Unknown, nil
		v.found[k] = f
	}
}

func isWorse(a, b finding.Finding) bool {
	if a.Counts() != b.Counts() {
		return a.Counts()
	}
	return a.Level() > b.Level() || a.Level() == b.Level() && a.Effect == finding.Block && b.Effect == finding.Heal
}

// changes lists what changed from one verdict to the next, by subject and invariant.
func changes(before, now verdict, at time.Time) []Line {
	keys := map[about]bool{}
	for k := range before.found {
		keys[k] = true
	}
	for k := range now.found {
		keys[k] = true
	}
	var lines []Line
	for _, k := range slices.SortedFunc(maps.Keys(keys), func(a, b about) int {
		return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.invariant, b.invariant))
	}) {
		was, is := stateOf(before.found[k]), stateOf(now.found[k])
		if was == is {
			continue
		}
		l := Line{Time: at, Invariant: k.invariant, Subject: k.subject, Effect: is.effect, Severity: is.severity, Was: was.effect, Waived: is.waived}
		l.Message = now.found[k].Message
		lines = append(lines, l)
	}
	return lines
}

// state is what counts of a finding for a change.
type state struct {
	effect   finding.Effect
	severity finding.Severity
	waived   bool
}

func stateOf(f finding.Finding) state {
	if f.Effect == "" {
		return state{effect: finding.Allow}
	}
	return state{f.Effect, f.Severity, f.Waiver != nil}
}
