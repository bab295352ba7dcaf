package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/audit"
	"stackpolicy/enforce"
	"stackpolicy/finding"
)

var update = flag.Bool("update", false, "write the goldens again")

// golden compares with testdata/NAME, or writes it again with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s -want +got\n%s", path, d)
	}
}

// steps are a runbook's for every decision.
func steps(d finding.Finding) []string {
	return []string{
		"Look at the file: `ls -l /home/alice/.config/systemd/user/" + d.Subject + "`",
		"Activate the generation again: `sudo systemctl restart home-manager-$USER.service`",
	}
}

func allowed(invariant, subject string) finding.Finding {
	return finding.Finding{Invariant: invariant, Subject: subject, Effect: "allow", Message: "in order", Evidence: map[string]any{}}
}

func blocked(invariant, subject string, severity finding.Severity, message string) finding.Finding {
	return finding.Finding{
		Invariant: invariant, Subject: subject, Effect: "block", Severity: severity, Message: message,
		Evidence: map[string]any{"case": "any"}, Runbook: "invariants/" + invariant + "/" + invariant + ".md",
	}
}

func toHeal(subject string, outcome finding.Outcome) finding.Finding {
	d := blocked("loaded_is_current", subject, "ticket", subject+" runs an older definition than the one on disk: file-changed, setting-differs")
	d.Effect, d.Action, d.Outcome = "heal", "daemon-reload", outcome
	return d
}

func unseen(invariant, section, collector, reason string) finding.Finding {
	d := blocked(invariant, "host", "unknown", "cannot be verified: "+section+" was not collected: "+reason)
	d.Evidence = map[string]any{"case": "gap", "section": section, "collector": collector}
	return d
}

func reload(status, message string, subjects ...string) enforce.Action {
	a := enforce.Action{Action: "daemon-reload", Subject: "host", Status: status, Message: message, Reasons: []enforce.Reason{}}
	for _, s := range subjects {
		a.Reasons = append(a.Reasons, enforce.Reason{Invariant: "loaded_is_current", Subject: s})
	}
	return a
}

func reported(exit int, decisions ...finding.Finding) *audit.Report {
	return &audit.Report{
		Schema: audit.ReportSchema, CollectedAt: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC), Mode: "observe",
		Policy:   audit.Policy{Digest: "sha256:00", Invariants: []string{"file_declared", "loaded_is_current"}},
		ExitCode: exit, Gaps: []audit.Gap{}, Decisions: decisions, Actions: []enforce.Action{},
	}
}

func table(t *testing.T, r *audit.Report, o Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := writeTable(&out, r, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
