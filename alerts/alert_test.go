package alerts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/notify"
)

func TestAlert(t *testing.T) {
	o := Options{Host: "den", User: "ada", Now: noon, Steps: func(d finding.Finding) []string {
		return []string{"case " + d.Evidence["case"].(string)}
	}}
	s := history.Occurrence{ID: 7, Finding: down("page"), Since: noon}
	want := notify.Alert{
		Kind: notify.KindFiring, Title: "PAGE: stack_running on web.service (den)", Invariant: "stack_running", Subject: "web.service",
		Case: "exited", Severity: "page", Effect: "block", Message: s.Message, Steps: []string{"case exited"}, Runbook: s.Runbook,
		Since: noon, Host: "den", User: "ada", Fingerprint: fingerprint("den", "ada", "stack_running", "web.service", "exited"),
	}
	if d := cmp.Diff(want, o.alert(notify.KindFiring, s)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	withdrawn := o.alert(notify.KindResolved, s)
	if withdrawn.ResolvedAt == nil || !withdrawn.ResolvedAt.Equal(noon) || withdrawn.Title != "RESOLVED: stack_running on web.service (den)" {
		t.Errorf("got %+v", withdrawn)
	}
	o.Steps = nil
	if steps := o.alert(notify.KindFiring, s).Steps; steps == nil || len(steps) != 0 {
		t.Errorf("without a runbook: got steps %v", steps)
	}
}

func TestLongAlertsAreCut(t *testing.T) {
	short := notify.Alert{Message: "short", Steps: []string{"one"}}
	a := notify.Alert{}
	a.Message = strings.Repeat("ä", maxMessage)
	a.Steps = []string{"first", strings.Repeat("x", maxSteps), "last"}
	got := cut(a)
	if len(got.Message) > maxMessage+20 || !strings.HasSuffix(got.Message, "ä…(cut)") {
		t.Errorf("message: %d bytes, ends in %q", len(got.Message), got.Message[len(got.Message)-20:])
	}
	if d := cmp.Diff([]string{"first", "…(more: stackpolicy explain)"}, got.Steps); d != "" {
		t.Errorf("steps -want +got\n%s", d)
	}
	if d := cmp.Diff(short, cut(short)); d != "" {
		t.Errorf("a short one was changed:\n%s", d)
	}
}
