package enforce

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// TestPreviewIsWhatRunWouldDo with the same facts, and it runs nothing.
func TestPreviewIsWhatRunWouldDo(t *testing.T) {
	bare := &facts.Document{Units: []facts.Unit{web()}, Collectors: sound().Collectors} // collectors say ok, sections are missing
	undeclared := sound(web())
	undeclared.Units[0].Reload = &facts.Reload{LoadsUndeclared: []string{"/x"}}
	cases := map[string]struct {
		on     Observation
		status string
		says   string
	}{
		"allowed":           {seen(sound(web()), heal("web.service", "daemon-reload")), Planned, ""},
		"refused":           {seen(undeclared, heal("web.service", "daemon-reload")), Refused, "would load what is not declared"},
		"sections missing":  {seen(bare, heal("web.service", "daemon-reload")), Refused, "the facts lack the manager"},
		"nothing collected": {seen(&facts.Document{}, heal("web.service", "restart")), Refused, "collector failed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &manager{}
			plan := Plan(c.on.Result.Decisions)
			got := Enforcer{Manager: m, Settings: settings}.Preview(plan, c.on)
			if len(got) != 1 || got[0].Status != c.status || !strings.Contains(got[0].Message, c.says) || (c.says == "") != (got[0].Message == "") {
				t.Errorf("got %+v, want %s, %q", got, c.status, c.says)
			}
			if len(m.calls) > 0 {
				t.Errorf("it did %v", m.calls)
			}
			if d := cmp.Diff(Plan(c.on.Result.Decisions), plan); d != "" {
				t.Errorf("the plan was changed -want +got\n%s", d)
			}
		})
	}
}

func TestPreviewForeseesTheBound(t *testing.T) {
	var units []facts.Unit
	var decisions []finding.Finding
	for i := range maxPerVerb + 1 {
		u := web()
		u.Name = fmt.Sprintf("many-%02d.service", i)
		units, decisions = append(units, u), append(decisions, heal(u.Name, "restart"))
	}
	o := seen(sound(units...), decisions...)
	got := Enforcer{Settings: settings}.Preview(Plan(decisions), o)
	for i, a := range got {
		if want := i >= maxPerVerb; (a.Status == Refused) != want {
			t.Errorf("%d: %+v", i, a)
		}
	}
}

// Findings that an earlier action heals do not block the next action.
func TestPreviewForeseesWhatIsHealedFirst(t *testing.T) {
	reload := heal("web.service", "daemon-reload")
	reload.Class = "provenance"
	o := seen(sound(web()), reload, heal("web.service", "restart"))
	got := Enforcer{Settings: settings}.Preview(Plan(o.Result.Decisions), o)
	if len(got) != 2 || got[0].Status != Planned || got[1].Status != Planned {
		t.Errorf("got %+v", got)
	}
	o.Result.Decisions = append(o.Result.Decisions, block("provenance", "web.service", "page"))
	got = Enforcer{Settings: settings}.Preview(Plan(o.Result.Decisions), o)
	if got[1].Status != Refused {
		t.Errorf("in spite of a foreign file: %+v", got)
	}
}
