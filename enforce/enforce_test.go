package enforce

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/systemd"
)

func TestPlan(t *testing.T) {
	alert := block("stack", "web.service", "page")
	wrong := heal("web.service", "rm -rf")
	edited := heal("web.service", "daemon-reload")
	edited.Effect = "block" // an operator turned the heal into an alert
	other := heal("web.service", "daemon-reload")
	other.Invariant = "dropins_owned"
	waived := heal("web.service", "restart")
	waived.Waiver = &finding.Waiver{Reason: "known", Owner: "ada"}
	reasons := func(of ...finding.Finding) []Reason {
		list := []Reason{}
		for _, d := range of {
			list = append(list, Reason{d.Invariant, d.Subject})
		}
		return list
	}
	a, b := heal("a.service", "daemon-reload"), heal("b.service", "daemon-reload")
	cases := map[string]struct {
		decisions []finding.Finding
		want      []Action
	}{
		"nothing":            {nil, []Action{}},
		"alerts":             {[]finding.Finding{alert, edited}, []Action{}},
		"waived":             {[]finding.Finding{waived}, []Action{}},
		"an unheard-of verb": {[]finding.Finding{wrong}, []Action{}},
		"one reload for all": {[]finding.Finding{a, b, other}, []Action{
			{Action: "daemon-reload", Subject: "host", Status: Planned, Reasons: reasons(a, b, other)},
		}},
		"one restart a unit, after the reload": {
			[]finding.Finding{heal("b.service", "restart"), heal("c.service", "reset-failed"), heal("a.service", "restart"), heal("b.service", "restart"), a},
			[]Action{
				{Action: "daemon-reload", Subject: "host", Status: Planned, Reasons: reasons(a)},
				{Action: "reset-failed", Subject: "c.service", Status: Planned, Reasons: []Reason{{"stale", "c.service"}}},
				{Action: "restart", Subject: "b.service", Status: Planned, Reasons: []Reason{{"stale", "b.service"}, {"stale", "b.service"}}},
				{Action: "restart", Subject: "a.service", Status: Planned, Reasons: []Reason{{"stale", "a.service"}}},
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Plan(c.decisions)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestVerbsAreClosed(t *testing.T) {
	var done []finding.Action
	for _, v := range verbs {
		done = append(done, v.action)
	}
	if d := cmp.Diff(finding.Actions(), done); d != "" {
		t.Errorf("the table of actions and what does them differ -want +got\n%s", d)
	}
	m := &manager{}
	e := Enforcer{Manager: m, Ledger: &ledger{}, Settings: settings, Observe: (&sequence{list: []Observation{seen(sound())}}).observe}
	got := e.Run(t.Context(), []Action{{Action: "stop", Subject: "web.service", Status: Planned}}, seen(sound()))
	want(t, got, m, []string{Refused})
	if !strings.Contains(got[0].Message, "daemon-reload reset-failed restart") {
		t.Errorf("the known ones are not listed: %s", got[0].Message)
	}
}

func TestRunActs(t *testing.T) {
	failed := web()
	failed.Loaded = &facts.Loaded{ActiveState: "failed"}
	ghost := sound(web())
	ghost.Manager.FailedNoFile = []string{"gone.service"}
	degraded := sound(web())
	degraded.Manager.State = "degraded"
	cases := map[string]struct {
		on   Observation
		call string
	}{
		"daemon-reload":                    {seen(sound(web()), heal("web.service", "daemon-reload")), "daemon-reload"},
		"in a degraded manager":            {seen(degraded, heal("web.service", "daemon-reload")), "daemon-reload"},
		"reset-failed of a managed unit":   {seen(sound(failed), heal("web.service", "reset-failed")), "reset-failed web.service"},
		"reset-failed of one that is gone": {seen(ghost, heal("gone.service", "reset-failed")), "reset-failed gone.service"},
		"restart":                          {seen(sound(web()), heal("web.service", "restart")), "restart web.service"},
		"restart beside another unit's trouble": {
			seen(sound(web()), heal("web.service", "restart"), block("provenance", "other.service", "page"), block("stack", "web.service", "page")),
			"restart web.service",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &manager{}
			got, took := run(t, m, c.on)
			want(t, got, m, []string{Done}, c.call)
			if took != 0 {
				t.Errorf("waited %s for files that did not change", took)
			}
		})
	}
}

// TestManagerErrors: an action that was tried without success is failed; one that the
// manager refused before it changed anything is refused.
func TestManagerErrors(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"error":        {errors.New("the job ended with \"timeout\""), Failed},
		"time limit":   {fmt.Errorf("wait for the job: %w", context.DeadlineExceeded), Failed},
		"rate limited": {fmt.Errorf("reload: %w", systemd.ErrRateLimited), Refused},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &manager{err: c.err}
			got, _ := run(t, m, seen(sound(web()), heal("web.service", "daemon-reload")))
			want(t, got, m, []string{c.want}, "daemon-reload")
			if !strings.Contains(got[0].Message, c.err.Error()) {
				t.Errorf("the message %q does not say %q", got[0].Message, c.err)
			}
		})
	}
}

// TestOneFailureDoesNotStopTheOthers, because they are about other units.
func TestOneFailureDoesNotStopTheOthers(t *testing.T) {
	m := &manager{err: errors.New("no")}
	many := []facts.Unit{web(), web()}
	many[1].Name = "many-1.service"
	got, _ := run(t, m, seen(sound(many...), heal("web.service", "restart"), heal("many-1.service", "restart")))
	want(t, got, m, []string{Failed, Failed}, "restart web.service", "restart many-1.service")
}

func TestMoreThanAPersonShouldMiss(t *testing.T) {
	var units []facts.Unit
	var decisions []finding.Finding
	var statuses, calls []string
	for i := range maxPerVerb + 2 {
		u := web()
		u.Name = fmt.Sprintf("many-%02d.service", i)
		units, decisions = append(units, u), append(decisions, heal(u.Name, "restart"))
		if i < maxPerVerb {
			statuses, calls = append(statuses, Done), append(calls, "restart "+u.Name)
		} else {
			statuses = append(statuses, Refused)
		}
	}
	m := &manager{}
	got, _ := run(t, m, seen(sound(units...), decisions...))
	want(t, got, m, statuses, calls...)
}

func TestFactsThatCannotBeReadAgainRefuse(t *testing.T) {
	m := &manager{}
	silent := errors.New("no more facts")
	e := Enforcer{Manager: m, Ledger: &ledger{}, Settings: settings, Observe: func(context.Context) (Observation, error) { return Observation{}, silent }}
	first := seen(sound(web()), heal("web.service", "daemon-reload"))
	got := e.Run(t.Context(), Plan(first.Result.Decisions), first)
	want(t, got, m, []string{Refused})
	if !strings.Contains(got[0].Message, silent.Error()) {
		t.Errorf("got %q", got[0].Message)
	}
}

// TestEveryCallIsBounded: the time limit includes the new observation and the call.
func TestEveryCallIsBounded(t *testing.T) {
	for _, v := range verbs {
		t.Run(string(v.action), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := func(ctx context.Context) (Observation, error) {
					<-ctx.Done()
					return Observation{}, ctx.Err()
				}
				m := &manager{}
				start := time.Now()
				e := Enforcer{Manager: m, Ledger: &ledger{}, Settings: settings, Observe: hang}
				got := e.Run(t.Context(), []Action{{Action: v.action, Subject: "web.service"}}, seen(sound(web())))
				want(t, got, m, []string{Refused})
				if took := time.Since(start); took != v.limit || got[0].DurationMS != v.limit.Milliseconds() {
					t.Errorf("took %s (%d ms in the report), want %s", took, got[0].DurationMS, v.limit)
				}
			})
		})
	}
}
