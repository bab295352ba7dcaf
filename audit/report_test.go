package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide"
	"stackpolicy/enforce"
)

func TestMergeGaps(t *testing.T) {
	a := []Gap{{"config", "one"}, {"podman", "no answer within 5s"}}
	b := []Gap{{"config", "one"}, {"config", "two"}, {"podman", "no answer within 6s"}, {"files", "x"}}
	if d := cmp.Diff([]Gap{{"config", "one"}, {"config", "two"}, {"files", "x"}, {"podman", "no answer within 5s"}}, mergeGaps(a, b)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestExitCode(t *testing.T) {
	allow := decide.Decision{Effect: "allow"}
	page := decide.Decision{Effect: "block", Severity: "page"}
	ticket := decide.Decision{Effect: "block", Severity: "ticket"}
	unknown := decide.Decision{Effect: "block", Severity: "unknown"}
	heal := func(severity, outcome string) decide.Decision {
		return decide.Decision{Effect: "heal", Severity: severity, Outcome: outcome}
	}
	waived := func(d decide.Decision) decide.Decision {
		d.Waiver = &decide.Waiver{Reason: "known", Owner: "ada"}
		return d
	}
	gaps := []Gap{{"podman", "silent"}}
	cases := map[string]struct {
		gaps      []Gap
		decisions []decide.Decision
		want      int
	}{
		"allows":                      {nil, []decide.Decision{allow, allow}, ExitOK},
		"a ticket":                    {nil, []decide.Decision{allow, ticket}, ExitWarning},
		"a page":                      {nil, []decide.Decision{ticket, page, allow}, ExitCritical},
		"undecided":                   {nil, []decide.Decision{allow, unknown, ticket}, ExitUnknown},
		"a gap":                       {gaps, []decide.Decision{allow}, ExitUnknown},
		"a gap over a ticket":         {gaps, []decide.Decision{ticket}, ExitUnknown},
		"a page over a gap":           {gaps, []decide.Decision{page}, ExitCritical},
		"a page over undecided":       {nil, []decide.Decision{unknown, page, unknown}, ExitCritical},
		"a failed heal over a gap":    {gaps, []decide.Decision{heal("ticket", OutcomeHealFailed)}, ExitCritical},
		"a planned heal":              {nil, []decide.Decision{heal("ticket", OutcomePlanned)}, ExitWarning},
		"a planned heal of a page":    {nil, []decide.Decision{heal("page", OutcomePlanned)}, ExitWarning},
		"a refused heal":              {nil, []decide.Decision{heal("ticket", OutcomeRefused)}, ExitWarning},
		"a heal nobody spoke of":      {nil, []decide.Decision{heal("ticket", "")}, ExitWarning},
		"a healed one":                {nil, []decide.Decision{heal("page", OutcomeHealed)}, ExitOK},
		"a healed one and a ticket":   {nil, []decide.Decision{heal("page", OutcomeHealed), ticket}, ExitWarning},
		"a severity never heard of":   {nil, []decide.Decision{{Effect: "block", Severity: "?"}}, ExitWarning},
		"waived":                      {nil, []decide.Decision{waived(page), waived(heal("page", ""))}, ExitOK},
		"waived, and a ticket":        {nil, []decide.Decision{waived(page), ticket}, ExitWarning},
		"waived, and a gap":           {gaps, []decide.Decision{waived(page)}, ExitUnknown},
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
	waived := decide.Decision{Invariant: "loaded_is_current", Subject: "web.service", Effect: "heal", Action: "daemon-reload", Waiver: &decide.Waiver{}}
	counts := waived
	counts.Subject, counts.Waiver = "db.service", nil
	r := &Report{Decisions: []decide.Decision{waived, counts}}
	r.Actions = enforce.Plan(r.Decisions)
	setOutcomes(r)
	if d := cmp.Diff([]string{"", OutcomePlanned}, []string{r.Decisions[0].Outcome, r.Decisions[1].Outcome}); d != "" || len(r.Actions[0].Reasons) != 1 {
		t.Errorf("-want +got\n%s\nfor %v", d, r.Actions[0].Reasons)
	}
}
