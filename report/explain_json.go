package report

import (
	"io"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/explain"
	"stackpolicy/finding"
)

// explainedJSON is stackpolicy.explain/v1.
type explainedJSON struct {
	Schema      string        `json:"schema"`
	CollectedAt time.Time     `json:"collected_at"`
	ExitCode    int           `json:"exit_code"`
	Findings    []findingJSON `json:"findings"`
}

type findingJSON struct {
	finding.Finding
	Title  string        `json:"title"`
	Since  *time.Time    `json:"since"` // null: not known
	Steps  []string      `json:"steps"`
	Before *beforeJSON   `json:"before"` // null: not known
	Rule   ruleJSON      `json:"rule"`
	Logs   []explain.Log `json:"logs"`
}

type beforeJSON struct {
	From    *time.Time       `json:"from"` // null: it was there at the first audit
	To      time.Time        `json:"to"`
	Changes []explain.Change `json:"changes"`
	Left    int              `json:"left"`
	Unknown string           `json:"unknown"`
}

type ruleJSON struct {
	File  string        `json:"file"`
	Exact bool          `json:"exact"` // false: one of the parts, and it is not known which
	Parts []policy.Rule `json:"parts"`
}

func writeExplainedJSON(w io.Writer, e Explained) error {
	out := explainedJSON{Schema: explain.Schema, CollectedAt: e.Report.CollectedAt, ExitCode: e.ExitCode, Findings: []findingJSON{}}
	for _, x := range e.List {
		f := findingJSON{
			Finding: x.Decision, Title: x.Invariant.Title, Since: orNull(x.Since), Steps: []string{},
			Rule: ruleJSON{x.Invariant.File, !x.AllRules, append([]policy.Rule{}, x.Rules...)},
			Logs: append([]explain.Log{}, x.Logs...),
		}
		f.Evidence = f.PublicEvidence()
		if e.Steps != nil {
			f.Steps = append(f.Steps, e.Steps(x.Decision)...)
		}
		if b := x.Before; b != nil {
			f.Before = &beforeJSON{orNull(b.From), b.To, append([]explain.Change{}, b.Changes...), b.Left, b.Unknown}
		}
		out.Findings = append(out.Findings, f)
	}
	return JSON(w, out)
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
