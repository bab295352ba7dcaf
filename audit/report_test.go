package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/enforce"
	"stackpolicy/finding"
)

func TestMergeGaps(t *testing.T) {
	a := []Gap{{"config", "one"}, {"podman", "no answer within 5s"}}
	b := []Gap{{"config", "one"}, {"config", "two"}, {"podman", "no answer within 6s"}, {"files", "x"}}
	if d := cmp.Diff([]Gap{{"config", "one"}, {"config", "two"}, {"files", "x"}, {"podman", "no answer within 5s"}}, mergeGaps(a, b)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestLevelOfAReport(t *testing.T) {
	allow := finding.Finding{Effect: "allow"}
	page := finding.Finding{Effect: "block", Severity: "page"}
	ticket := finding.Finding{Effect: "block", Severity: "ticket"}
	unknown := finding.Finding{Effect: "block", Severity: "unknown"}
	heal := func(severity finding.Severity, outcome finding.Outcome) finding.Finding {
		return finding.Finding{Effect: "heal", Severity: severity, Outcome: outcome}
	}
	waived := func(d finding.Finding) finding.Finding {
		d.Waiver = &finding.Waiver{Reason: "known", Owner: "ada"}
		return d
	}
	gaps := []Gap{{"podman", "silent"}}
	cases := map[string]struct {
		gaps      []Gap
		decisions []finding.Finding
		want      finding.Level
	}{
		"allows":                      {nil, []finding.Finding{allow, allow}, finding.LevelOK},
		"a ticket":                    {nil, []finding.Finding{allow, ticket}, finding.LevelWarning},
		"a page":                      {nil, []finding.Finding{ticket, page, allow}, finding.LevelCritical},
		"undecided":                   {nil, []finding.Finding{allow, unknown, ticket}, finding.LevelUnknown},
		"a gap":                       {gaps, []finding.Finding{allow}, finding.LevelUnknown},
		"a gap over a ticket":         {gaps, []finding.Finding{ticket}, finding.LevelUnknown},
		"a page over a gap":           {gaps, []finding.Finding{page}, finding.LevelCritical},
		"a page over undecided":       {nil, []finding.Finding{unknown, page, unknown}, finding.LevelCritical},
		"a failed heal over a gap":    {gaps, []finding.Finding{heal("ticket", finding.HealFailed)}, finding.LevelCritical},
		"a planned heal":              {nil, []finding.Finding{heal("ticket", finding.Planned)}, finding.LevelWarning},
		"a planned heal of a page":    {nil, []finding.Finding{heal("page", finding.Planned)}, finding.LevelWarning},
		"a refused heal":              {nil, []finding.Finding{heal("ticket", finding.Refused)}, finding.LevelWarning},
		"a heal nobody spoke of":      {nil, []finding.Finding{heal("ticket", "")}, finding.LevelWarning},
		"a healed one":                {nil, []finding.Finding{heal("page", finding.Healed)}, finding.LevelOK},
		"a healed one and a ticket":   {nil, []finding.Finding{heal("page", finding.Healed), ticket}, finding.LevelWarning},
		"a severity never heard of":   {nil, []finding.Finding{{Effect: "block", Severity: "?"}}, finding.LevelWarning},
		"waived":                      {nil, []finding.Finding{waived(page), waived(heal("page", ""))}, finding.LevelOK},
		"waived, and a ticket":        {nil, []finding.Finding{waived(page), ticket}, finding.LevelWarning},
		"waived, and a gap":           {gaps, []finding.Finding{waived(page)}, finding.LevelUnknown},
		"nothing at all, no decision": {nil, nil, finding.LevelOK},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := (&Report{Gaps: c.gaps, Decisions: c.decisions}).Level(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestReportHasEveryKeyOfTheContract(t *testing.T) {
	_, got := encoded(t, observed(t, builtin(t), recorded(t, "good")))
	if d := cmp.Diff([]string{"actions", "collected_at", "decisions", "exit_code", "gaps", "mode", "policy", "recorded", "schema"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestAWaivedHealHasNoOutcome: it is neither planned nor refused.
func TestAWaivedHealHasNoOutcome(t *testing.T) {
	waived := finding.Finding{Invariant: "loaded_is_current", Subject: "web.service", Effect: "heal", Action: "daemon-reload", Waiver: &finding.Waiver{}}
	counts := waived
	counts.Subject, counts.Waiver = "db.service", nil
	findings := []finding.Finding{waived, counts}
	plan := enforce.Plan(findings)
	setOutcomes(findings, plan, nil)
	if d := cmp.Diff([]finding.Outcome{"", finding.Planned}, []finding.Outcome{findings[0].Outcome, findings[1].Outcome}); d != "" || len(plan[0].Reasons) != 1 {
		t.Errorf("-want +got\n%s\nfor %v", d, plan[0].Reasons)
	}
}
