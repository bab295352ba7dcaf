package enforce

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// An action that was tried is recorded as healed only if all its findings are gone. A
// breaker opens if heals do not help. An action that was not tried is not recorded.
func TestVerify(t *testing.T) {
	acted := func(status string) Action {
		return Action{Action: finding.Restart, Subject: "web.service", Status: status, ID: 7, Reasons: []Reason{{"stale", "web.service"}}}
	}
	foreseen := acted(Refused)
	foreseen.ID = 0
	allowed := heal("web.service", finding.Restart)
	allowed.Effect = finding.Allow
	gone, still := []finding.Finding{allowed}, []finding.Finding{heal("web.service", finding.Restart)}
	other := []finding.Finding{heal("db.service", finding.Restart)}
	twice := map[string]facts.History{"web.service": {Heals: []facts.HealCount{tried("restart", 2, 2, 2)}}}
	opened := []string{"web.service for 6h0m0s: 2 actions on it failed or healed nothing within a day"}
	cases := map[string]struct {
		action Action
		after  []finding.Finding
		heals  map[string]facts.History
		calls  []string
		opened []string
	}{
		"healed":                        {acted(Done), gone, twice, []string{"verified 7 true"}, nil},
		"healed, another is not":        {acted(Done), other, nil, []string{"verified 7 true"}, nil},
		"done, but still found":         {acted(Done), still, nil, []string{"verified 7 false"}, nil},
		"still found again":             {acted(Done), still, twice, []string{"verified 7 false"}, opened},
		"failed, and gone all the same": {acted(Failed), gone, twice, []string{"verified 7 false"}, opened},
		"refused by the manager":        {acted(Refused), still, twice, nil, nil},
		"refused by a guard":            {foreseen, still, twice, nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l, b := &ledger{}, &breakers{heals: c.heals}
			e := Enforcer{Ledger: l, Breakers: b, Settings: settings}
			if err := e.Verify(t.Context(), []Action{c.action}, seen(sound(web()), c.after...)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.calls, l.calls) + cmp.Diff(c.opened, b.opened); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// Every failure to record is in the error, and the others are still recorded.
func TestVerifyThatCannotBeRecorded(t *testing.T) {
	actions := []Action{{ID: 1, Status: Done, Subject: "a.service"}, {ID: 2, Status: Done, Subject: "b.service"}}
	l, b := &ledger{err: errors.New("disk full")}, &breakers{err: errors.New("locked")}
	err := Enforcer{Ledger: l, Breakers: b, Settings: settings}.Verify(t.Context(), actions, seen(sound(web())))
	if err == nil || strings.Count(err.Error(), "disk full") != 2 || strings.Count(err.Error(), "locked") != 1 || len(l.calls) != 2 {
		t.Errorf("got %v, calls %q", err, l.calls)
	}
}

func TestTouched(t *testing.T) {
	refused, failed := Action{Status: Refused}, Action{Status: Failed}
	cases := map[string]struct {
		actions []Action
		want    bool
	}{
		"nothing": {nil, false}, "refused": {[]Action{refused, refused}, false}, "failed": {[]Action{refused, failed}, true},
	}
	for name, c := range cases {
		if got := Touched(c.actions); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestWhyABreakerOpens(t *testing.T) {
	cases := map[string]struct {
		subject, status string
		healed          bool
		heals           []facts.HealCount
		want            string
	}{
		"healed":               {"web.service", Done, true, []facts.HealCount{tried("restart", 1, 5, 4)}, ""},
		"first failure":        {"web.service", Failed, false, []facts.HealCount{tried("restart", 1, 1, 1)}, ""},
		"second failure":       {"web.service", Failed, false, []facts.HealCount{tried("restart", 1, 2, 2)}, "2 actions on it failed or healed nothing within a day"},
		"done, healed nothing": {"web.service", Done, false, []facts.HealCount{tried("restart", 1, 1, 1), tried("reset-failed", 1, 1, 1)}, "2 actions"},
		"refused by a guard":   {"web.service", Refused, false, []facts.HealCount{tried("restart", 1, 4, 4)}, ""},
		"refused by the budget": {"web.service", Refused, false, []facts.HealCount{tried("restart", 3, 3, 0)},
			"its budget of 3 actions within 1h0m0s is used up, and more are asked for"},
		"the host's budget is larger": {finding.Host, Refused, false, []facts.HealCount{tried("daemon-reload", 3, 3, 0)}, ""},
		"nothing remembered":          {"web.service", Failed, false, nil, ""},
	}
	for name, c := range cases {
		got := Enforcer{Settings: settings}.whyOpen(Action{Subject: c.subject, Status: c.status}, c.healed, c.heals)
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

var _ Breakers = (*history.Store)(nil)
