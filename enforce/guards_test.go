package enforce

import (
	"strings"
	"testing"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// refusals: nothing of this may ever reach the manager.
var refusals = []struct {
	name    string
	action  finding.Action
	subject string                // default web.service
	unit    func(*facts.Unit)     // what is different about web.service
	doc     func(*facts.Document) // and about the rest
	beside  []finding.Finding     // findings beside the heal
	gone    bool                  // the heal is not found any more
	says    string
}{
	{name: "finding gone meanwhile", action: "daemon-reload", gone: true, says: "no longer asked for"},
	{name: "finding gone meanwhile", action: "restart", gone: true, says: "no longer asked for"},

	{name: "undeclared file", action: "daemon-reload", says: "/etc/systemd/user/web.service, /x and 2 more",
		unit: func(u *facts.Unit) {
			u.Reload.LoadsUndeclared = []string{"/etc/systemd/user/web.service", "/x", "/y", "/z"}
		}},
	{name: "declared file gone", action: "daemon-reload", says: "would drop what is declared for web.service: /gone",
		unit: func(u *facts.Unit) { u.Reload.DropsDeclared = []string{"/gone"} }},
	{name: "another unit's undeclared file", action: "daemon-reload", says: "other.service: /x",
		doc: func(d *facts.Document) {
			d.Units = append(d.Units, facts.Unit{Name: "other.service", ManagedBy: "config", Reload: &facts.Reload{LoadsUndeclared: []string{"/x"}}})
		}},
	{name: "effect of a reload not known", action: "daemon-reload", says: "is not known",
		unit: func(u *facts.Unit) { u.Reload = nil }},

	{name: "no failed unit", action: "reset-failed", says: "web.service is not failed"},
	{name: "not loaded", action: "reset-failed", says: "web.service is not failed", unit: func(u *facts.Unit) { u.Loaded = nil }},
	{name: "unmanaged, with a file", action: "reset-failed", says: "neither managed nor a failed unit without a file",
		unit: func(u *facts.Unit) { u.ManagedBy, u.Loaded.ActiveState = "", "failed" }},
	{name: "unheard of", action: "reset-failed", subject: "nowhere.service", says: "neither managed nor"},
	{name: "provenance blocked", action: "reset-failed", says: "not in order (file_declared): a foreign file",
		unit:   func(u *facts.Unit) { u.Loaded.ActiveState = "failed" },
		beside: []finding.Finding{block("provenance", "web.service", "ticket")}},

	{name: "provenance blocked", action: "restart", says: "not in order (file_declared): a foreign file",
		beside: []finding.Finding{block("provenance", "web.service", "page")}},
	{name: "provenance undecided for all", action: "restart", says: "not in order (file_declared)",
		beside: []finding.Finding{block("provenance", "host", "unknown")}},
	{name: "stopped", action: "restart", says: "web.service is inactive: a stopped unit is never started",
		unit: func(u *facts.Unit) { u.Loaded.ActiveState = "inactive" }},
	{name: "failed", action: "restart", says: "web.service is failed", unit: func(u *facts.Unit) { u.Loaded.ActiveState = "failed" }},
	{name: "on its way up", action: "restart", says: "is activating", unit: func(u *facts.Unit) { u.Loaded.ActiveState = "activating" }},
	{name: "not opted in", action: "restart", subject: "files.service", says: "files.service is not opted in; list it under settings.restart",
		doc: func(d *facts.Document) {
			u := web()
			u.Name = "files.service"
			d.Units = append(d.Units, u)
		}},
	{name: "unmanaged", action: "restart", says: "is not a managed unit", unit: func(u *facts.Unit) { u.ManagedBy = "" }},
	{name: "unheard of", action: "restart", subject: "nowhere.service", says: "is not a managed unit"},
	{name: "the host", action: "restart", subject: "host", says: "host is not a managed unit"},
}

func TestGuardsRefuse(t *testing.T) {
	for _, c := range refusals {
		t.Run(string(c.action)+"/"+c.name, func(t *testing.T) {
			u := web()
			if c.unit != nil {
				c.unit(&u)
			}
			doc := sound(u)
			if c.doc != nil {
				c.doc(doc)
			}
			subject := c.subject
			if subject == "" {
				subject = "web.service"
			}
			asked := append([]finding.Finding{heal(subject, c.action)}, c.beside...)
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

// TestCommonGuardsRefuse: no action at all on a system in these states.
func TestCommonGuardsRefuse(t *testing.T) {
	cases := map[string]struct {
		change func(*facts.Document)
		says   string
	}{
		"systemd is a gap":      {gapIn("systemd"), "the systemd collector could not look: silent"},
		"files are a gap":       {gapIn("files"), "the files collector could not look: silent"},
		"Home Manager is a gap": {gapIn("home-manager"), "the home-manager collector could not look: silent"},
		"a collector never ran": {func(d *facts.Document) { delete(d.Collectors, "files") }, "the files collector could not look"},
		"activation running":    {activation("running"), "a Home Manager activation is running"},
		"activation half done":  {activation("half-finished"), "a Home Manager activation is half-finished"},
		"manager stopping":      {state("stopping"), "the user manager is stopping"},
		"manager starting":      {state("starting"), "the user manager is starting"},
		"manager in trouble":    {state("maintenance"), "the user manager is maintenance"},
	}
	for _, action := range Verbs() {
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

// TestPodmanSilentDoesNotStopAReload: what a reload rests on is known.
func TestPodmanSilentDoesNotStopAReload(t *testing.T) {
	doc := sound(web())
	gapIn("podman")(doc)
	m := &manager{}
	got, _ := run(t, m, seen(doc, heal("web.service", "daemon-reload")))
	want(t, got, m, []string{Done}, "daemon-reload")
}

// TestUnmanagedUnitsDoNotStopAReload: nobody declares anything for them, and a
// template has nothing loaded.
func TestUnmanagedUnitsDoNotStopAReload(t *testing.T) {
	doc := sound(web(), facts.Unit{Name: "session.slice"}, facts.Unit{Name: "web@.service", ManagedBy: "home-manager", Template: true})
	m := &manager{}
	got, _ := run(t, m, seen(doc, heal("web.service", "daemon-reload")))
	want(t, got, m, []string{Done}, "daemon-reload")
}
