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

func TestExitCode(t *testing.T) {
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
		want      int
	}{
		"allows":                      {nil, []finding.Finding{allow, allow}, ExitOK},
		"a ticket":                    {nil, []finding.Finding{allow, ticket}, ExitWarning},
		"a page":                      {nil, []finding.Finding{ticket, page, allow}, ExitCritical},
		"undecided":                   {nil, []finding.Finding{allow, unknown, ticket}, ExitUnknown},
		"a gap":                       {gaps, []finding.Finding{allow}, ExitUnknown},
		"a gap over a ticket":         {gaps, []finding.Finding{ticket}, ExitUnknown},
		"a page over a gap":           {gaps, []finding.Finding{page}, ExitCritical},
		"a page over undecided":       {nil, []finding.Finding{unknown, page, unknown}, ExitCritical},
		"a failed heal over a gap":    {gaps, []finding.Finding{heal("ticket", finding.HealFailed)}, ExitCritical},
		"a planned heal":              {nil, []finding.Finding{heal("ticket", finding.Planned)}, ExitWarning},
		"a planned heal of a page":    {nil, []finding.Finding{heal("page", finding.Planned)}, ExitWarning},
		"a refused heal":              {nil, []finding.Finding{heal("ticket", finding.Refused)}, ExitWarning},
		"a heal nobody spoke of":      {nil, []finding.Finding{heal("ticket", "")}, ExitWarning},
		"a healed one":                {nil, []finding.Finding{heal("page", finding.Healed)}, ExitOK},
		"a healed one and a ticket":   {nil, []finding.Finding{heal("page", finding.Healed), ticket}, ExitWarning},
		"a severity never heard of":   {nil, []finding.Finding{{Effect: "block", Severity: "?"}}, ExitWarning},
		"waived":                      {nil, []finding.Finding{waived(page), waived(heal("page", ""))}, ExitOK},
		"waived, and a ticket":        {nil, []finding.Finding{waived(page), ticket}, ExitWarning},
		"waived, and a gap":           {gaps, []finding.Finding{waived(page)}, ExitUnknown},
		"nothing at all, no decision": {nil, nil, ExitOK},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(c.gaps, c.decisions); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestReportHasEveryKeyOfTheContract(t *testing.T) {
	_, got := encoded(t, observed(t, builtin(t), recorded(t, "good")))
	if d := cmp.Diff([]string{"actions", "collected_at", "decisions", "exit_code", "gaps", "mode", "policy", "schema"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestAWaivedHealHasNoOutcome: it is not planned, and nothing refused it.
func TestAWaivedHealHasNoOutcome(t *testing.T) {
	waived := finding.Finding{Invariant: "loaded_is_current", Subject: "web.service", Effect: "heal", Action: "daemon-reload", Waiver: &finding.Waiver{}}
	counts := waived
	counts.Subject, counts.Waiver = "db.service", nil
	r := &Report{Decisions: []finding.Finding{waived, counts}}
	r.Actions = enforce.Plan(r.Decisions)
	setOutcomes(r)
	if d := cmp.Diff([]finding.Outcome{"", finding.Planned}, []finding.Outcome{r.Decisions[0].Outcome, r.Decisions[1].Outcome}); d != "" || len(r.Actions[0].Reasons) != 1 {
		t.Errorf("-want +got\n%s\nfor %v", d, r.Actions[0].Reasons)
	}
}
