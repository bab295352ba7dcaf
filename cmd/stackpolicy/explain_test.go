package main

import (
	"strings"
	"testing"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/finding"
	"stackpolicy/policies"
)

// TestToExplain: every finding, or one invariant, which then may hold. An invariant that
// does not apply to the subject is an error: nothing would be explained.
func TestToExplain(t *testing.T) {
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	r := &audit.Report{Decisions: []finding.Finding{
		{Invariant: "linger_enabled", Subject: finding.Host, Effect: finding.Allow},
		{Invariant: "stack_running", Subject: "web.service", Effect: finding.Block},
		{Invariant: "unit_not_failed", Subject: "web.service", Effect: finding.Allow},
		{Invariant: "loaded_is_current", Subject: "web.service", Effect: finding.Heal},
	}}
	cases := map[string]struct{ invariant, want, err string }{
		"every finding":    {"", "stack_running loaded_is_current", ""},
		"one finding":      {"stack_running", "stack_running", ""},
		"one that holds":   {"unit_not_failed", "unit_not_failed", ""},
		"misspelt":         {"stack_runing", "", `unknown invariant "stack_runing"; did you mean stack_running? known: activation_current, `},
		"about the host":   {"user_manager_running", "", "user_manager_running does not apply to this subject; it applies to: host as a whole"},
		"about every unit": {"file_declared", "", "it applies to: managed unit"},
		"about stacks":     {"probes_answer", "", "it applies to: stack"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			list, err := toExplain(r, p, c.invariant)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("got %v, want %q", err, c.err)
			}
			var got []string
			for _, d := range list {
				got = append(got, d.Invariant)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
