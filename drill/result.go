package drill

import (
	"slices"

	"stackpolicy/finding"
)

// Schema names the version of the JSON of a [Result].
const Schema = "stackpolicy.drill/v1"

// Exit statuses of a drill.
const (
	StatusGood       = 0 // everything is as it should be with these rules
	StatusWrong      = 1 // something was missed, falsely accused or not healed
	StatusHarm       = 2 // an audit made something worse, or something outside of the sandbox changed
	StatusImpossible = 3 // no drill was possible
)

// Result is what a drill showed. Its JSON is stackpolicy.drill/v1.
type Result struct {
	Schema      string    `json:"schema"`
	ExitCode    int       `json:"exit_code" jsonschema:"0 all is as it should be, 1 something was missed, falsely accused or not healed, 2 something was made worse or the outside changed"`
	Rules       string    `json:"rules" jsonschema:"the policy folder; empty: the built-in rules"`
	Systemd     string    `json:"systemd" jsonschema:"version of the manager in the sandbox"`
	Complete    bool      `json:"complete" jsonschema:"all drills were done, and not only some"`
	Rows        []Row     `json:"rows"`
	Uncovered   []string  `json:"uncovered" jsonschema:"rows that no rule covers: nothing was found"`
	Unexercised []string  `json:"unexercised" jsonschema:"invariants of which no row made a finding"`
	NotDrilled  []Skipped `json:"not_drilled" jsonschema:"what cannot be shown in this sandbox"`
	Notes       []string  `json:"notes" jsonschema:"what was taken from this machine, and what was left out"`
	Outside     []string  `json:"outside" jsonschema:"what changed outside of the sandbox during the drill"`
	TookMS      int64     `json:"took_ms"`
}

// Skipped is something that was not drilled.
type Skipped struct {
	Name   string `json:"name" jsonschema:"an invariant, or a row"`
	Reason string `json:"reason"`
}

// Row is how one row went.
type Row struct {
	Name     string   `json:"name"`
	Does     string   `json:"does" jsonschema:"what was done, in plain words"`
	Right    bool     `json:"right" jsonschema:"a way of being right, of which nothing may be found"`
	Expected []string `json:"expected" jsonschema:"invariant and subject of what the built-in rules find"`
	Found    []Found  `json:"found" jsonschema:"findings that were not there before, about what was broken"`
	Accused  []Found  `json:"accused" jsonschema:"findings that were not there before, about what is right"`
	Verdict  Verdict  `json:"verdict" jsonschema:"found, missed, accused or right"`
	Heal     Heal     `json:"heal" jsonschema:"healed, not-healed, left-alone or made-worse; empty: nothing was to be healed or left alone"`
	Worse    []string `json:"worse" jsonschema:"what an enforcing audit changed that it should not have changed"`
	Note     string   `json:"note" jsonschema:"where these rules and settings decide otherwise than the built-in ones"`
	TookMS   int64    `json:"took_ms"`
}

// Found is a finding.
type Found struct {
	Invariant string           `json:"invariant"`
	Subject   string           `json:"subject"`
	Case      string           `json:"case"`
	Effect    finding.Effect   `json:"effect"`
	Severity  finding.Severity `json:"severity"`
	Message   string           `json:"message"`
	Waived    bool             `json:"waived"`
}

// Verdict says how an audit judged a row.
type Verdict string

// Verdicts.
const (
	VerdictFound   Verdict = "found"
	VerdictMissed  Verdict = "missed"
	VerdictAccused Verdict = "accused"
	VerdictRight   Verdict = "right"
)

// Heal says what an enforcing audit did.
type Heal string

// Heals.
const (
	Healed    Heal = "healed"
	NotHealed Heal = "not-healed"
	LeftAlone Heal = "left-alone"
	MadeWorse Heal = "made-worse"
)

// conclude fills what follows from the rows.
func (r *Result) conclude(invariants []string) {
	r.Uncovered, r.Unexercised = []string{}, []string{}
	made := map[string]bool{}
	for _, row := range r.Rows {
		if row.Verdict == VerdictMissed {
			r.Uncovered = append(r.Uncovered, row.Name)
		}
		for _, f := range row.Found {
			made[f.Invariant] = true
		}
	}
	for _, i := range invariants {
		if !made[i] {
			r.Unexercised = append(r.Unexercised, i)
		}
	}
	r.ExitCode = r.exitCode()
}

func (r *Result) exitCode() int {
	status := StatusGood
	for _, row := range r.Rows {
		if row.Heal == MadeWorse {
			return StatusHarm
		}
		if row.Verdict == VerdictMissed || len(row.Accused) > 0 || row.Heal == NotHealed {
			status = StatusWrong
		}
	}
	if len(r.Outside) > 0 {
		return StatusHarm
	}
	return status
}

// found returns a finding for the result.
func found(f finding.Finding) Found {
	return Found{f.Invariant, f.Subject, f.Case(), f.Effect, f.Severity, f.Message, f.Waiver != nil}
}

// same reports whether two findings say the same of the same.
func same(a, b finding.Finding) bool {
	return a.Identity() == b.Identity() && a.Case() == b.Case() && a.Effect == b.Effect
}

// newIn returns the findings of now that were not there before.
func newIn(now, before []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(now), func(f finding.Finding) bool {
		return slices.ContainsFunc(before, func(b finding.Finding) bool { return same(f, b) })
	})
}
