package enforce

import (
	"cmp"
	"strings"
	"testing"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// refusedCase is a state of the system in which an action must not be run.
type refusedCase struct {
	name    string
	subject string                // default web.service
	unit    func(*facts.Unit)     // changes web.service
	doc     func(*facts.Document) // changes the rest
	beside  []finding.Finding     // findings beside the heal
	gone    bool                  // the heal is no longer found
	says    string
}

func refusesAll(t *testing.T, action finding.Action, cases []refusedCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u := web()
			if c.unit != nil {
				c.unit(&u)
			}
			doc := sound(u)
			if c.doc != nil {
				c.doc(doc)
			}
			asked := append([]finding.Finding{heal(cmp.Or(c.subject, "web.service"), action)}, c.beside...)
			then := seen(doc, asked...)
			if c.gone {
				then = seen(doc, c.beside...)
			}
			refuses(t, c.says, seen(doc, asked...), then)
		})
	}
}

func refuses(t *testing.T, says string, observations ...Observation) {
	t.Helper()
	m := &manager{}
	got, _ := run(t, m, observations...)
	want(t, got, m, []string{Refused})
	if len(got) > 0 && !strings.Contains(got[0].Message, says) {
		t.Errorf("it says %q, want %q", got[0].Message, says)
	}
}

// TestCommonGuardsRefuse: in these states of the system no action is run.
func TestCommonGuardsRefuse(t *testing.T) {
	cases := map[string]struct {
		change func(*facts.Document)
		says   string
	}{
		"systemd is a gap":      {gapIn("systemd"), "the systemd collector failed: silent"},
		"files are a gap":       {gapIn("files"), "the files collector failed: silent"},
		"Home Manager is a gap": {gapIn("home-manager"), "the home-manager collector failed: silent"},
		"a collector never ran": {func(d *facts.Document) { delete(d.Collectors, "files") }, "the files collector failed"},
		"activation running":    {activation("running"), "a Home Manager activation is running"},
		"activation half done":  {activation("half-finished"), "a Home Manager activation is half-finished"},
		"manager stopping":      {state("stopping"), "the user manager is stopping"},
		"manager starting":      {state("starting"), "the user manager is starting"},
		"manager in trouble":    {state("maintenance"), "the user manager is maintenance"},
	}
	for _, action := range finding.Actions() {
		for name, c := range cases {
			t.Run(string(action)+"/"+name, func(t *testing.T) {
				u := web()
				if action == "reset-failed" {
					u.Loaded.ActiveState = "failed"
				}
				before, then := sound(u), sound(u)
				c.change(then)
				refuses(t, c.says, seen(before, heal("web.service", action)), seen(then, heal("web.service", action)))
			})
		}
	}
}

func gapIn(collector string) func(*facts.Document) {
	return func(d *facts.Document) {
		d.Collectors[collector] = facts.CollectorStatus{Error: "silent"}
		switch collector { // a section that could not be collected is absent
		case "systemd":
			d.Manager = nil
		case "home-manager":
			d.Declared = nil
		}
	}
}

func activation(s string) func(*facts.Document) {
	return func(d *facts.Document) { d.Declared.Activation.State = s }
}

func state(s string) func(*facts.Document) { return func(d *facts.Document) { d.Manager.State = s } }
