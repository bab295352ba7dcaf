package audit

import (
	"slices"
	"time"

	"stackpolicy/config"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// ReportSchema names the version of the report's shape.
const ReportSchema = "stackpolicy.report/v1"

// Report has what an audit found and did. Other packages only read it.
type Report struct {
	Schema      string            `json:"schema"`
	CollectedAt time.Time         `json:"collected_at"`
	Recorded    bool              `json:"recorded,omitempty" jsonschema:"the facts were given, and not collected by this audit: the report is about collected_at"`
	Mode        string            `json:"mode" jsonschema:"observe or enforce"`
	Policy      Policy            `json:"policy"`
	ExitCode    int               `json:"exit_code" jsonschema:"0 ok, 1 warning, 2 critical, 3 unknown"`
	Gaps        []Gap             `json:"gaps" jsonschema:"what could not be collected"`
	Decisions   []finding.Finding `json:"decisions" jsonschema:"every invariant for every subject, decided on the first facts of the audit; includes those that allow"`
	Actions     []enforce.Action  `json:"actions"`
	Holds       []facts.Hold      `json:"holds,omitempty" jsonschema:"units under planned maintenance: findings about whether they run are waived, and nothing acts on them"`
}

// Policy identifies the policies that decided.
type Policy struct {
	Digest     string   `json:"digest"`
	Invariants []string `json:"invariants"`
}

// Level returns the worst level of the gaps and the decisions. A gap is
// [finding.LevelUnknown]; waived findings do not count.
func (r *Report) Level() finding.Level {
	level := finding.WorstOf(r.Decisions)
	if len(r.Gaps) > 0 {
		level = finding.Worst(level, finding.LevelUnknown)
	}
	return level
}

// Open returns the findings to remember and to alert about: those that do not hold, healed
// ones included, and one for each gap that leaves no invariant undecided, such as a
// pattern that matches no unit.
func (r *Report) Open() []finding.Finding {
	open := slices.DeleteFunc(slices.Clone(r.Decisions), finding.Finding.IsAllowed)
	for _, g := range r.Gaps {
		if !slices.ContainsFunc(r.Decisions, func(f finding.Finding) bool { return f.Evidence["collector"] == g.Collector && f.IsGap() }) {
			open = append(open, g.finding())
		}
	}
	return open
}

func (r *Report) addGap(g Gap) {
	r.Gaps = mergeGaps(r.Gaps, []Gap{g})
	r.ExitCode = r.Level().ExitCode()
}

// report joins the first findings, the actions, and the findings that appeared after
// them.
func (r *run) report(first enforce.Observation, d actResult) *Report {
	decisions, missing := r.concerning(first), gaps(first)
	var after []finding.Finding
	if d.after != nil {
		after = r.concerning(*d.after)
		decisions = append(decisions, appeared(first, *d.after, d.actions)...)
		missing = mergeGaps(missing, gaps(*d.after))
	}
	if len(d.gaps) > 0 {
		missing = mergeGaps(missing, d.gaps)
	}
	decisions = append(decisions, broughtFindings(d.brought, d.actions, r.policies.Invariants())...)
	setOutcomes(decisions, d.actions, after)
	doubtReloads(decisions, d.brought, d.last.Document)
	report := &Report{
		Schema: ReportSchema, CollectedAt: first.Document.CollectedAt, Recorded: r.given, Mode: r.mode(), Policy: r.policy(),
		Gaps: missing, Decisions: decisions, Actions: d.actions, Holds: r.holds(first.Document),
	}
	report.ExitCode = report.Level().ExitCode()
	return report
}

// holds returns the holds of the audit's subjects.
func (r *run) holds(doc *facts.Document) []facts.Hold {
	return slices.DeleteFunc(doc.Holds(doc.CollectedAt), func(h facts.Hold) bool {
		return len(r.subjects) > 0 && !slices.Contains(r.subjects, h.Unit)
	})
}

func (r *run) mode() string {
	if r.Manager != nil {
		return config.Enforce
	}
	return config.Observe
}

func (r *run) policy() Policy {
	p := Policy{Digest: r.policies.Digest(), Invariants: []string{}}
	for _, i := range r.policies.Invariants() {
		p.Invariants = append(p.Invariants, i.ID)
	}
	return p
}
