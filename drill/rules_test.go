package drill

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder returns a policy folder with the given files, laid over the built-in rules; a copy of
// them if whole.
func folder(t *testing.T, whole bool, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules")
	if whole {
		cmd := exec.CommandContext(t.Context(), program, "policy", "copy", dir)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestARuleIsRemoved checks that what no rule covers is missed, and listed as such.
func TestARuleIsRemoved(t *testing.T) {
	rules := folder(t, true, nil)
	if err := os.RemoveAll(filepath.Join(rules, "invariants/linger_enabled")); err != nil {
		t.Fatal(err)
	}
	r := run(t, rules, "in-order", "no-linger", "ghost")
	if got := r.byName(t, "no-linger"); got.Verdict != VerdictMissed || got.Heal != LeftAlone {
		t.Errorf("got %+v", got)
	}
	if got := r.byName(t, "ghost"); got.Verdict != VerdictFound || got.Heal != Healed {
		t.Errorf("got %+v", got)
	}
	if r.ExitCode != StatusWrong || !slices.Equal(r.Uncovered, []string{"no-linger"}) {
		t.Errorf("exit status %d, uncovered %q", r.ExitCode, r.Uncovered)
	}
	if !slices.Contains(r.Unexercised, "stack_running") || slices.Contains(r.Unexercised, "no_ghost_failure") {
		t.Errorf("unexercised: %q", r.Unexercised)
	}
	for _, want := range []string{"WRONG  3 drills", "missed: the built-in rules find linger_enabled host", "No rule covers:\n  no-linger\n"} {
		if !strings.Contains(text80(t, r), want) {
			t.Errorf("the text lacks %q:\n%s", want, text80(t, r))
		}
	}
}

// TestSettings checks that settings decide: a heal that is an alert heals nothing, which is no
// mistake; a restart that is allowed heals. Settings that name other units are named.
func TestSettings(t *testing.T) {
	rules := folder(t, false, map[string]string{"settings.yaml": `settings:
  restart: ["web*", "lab-*"]
  decide:
    - {invariant: loaded_is_current, units: ["*"], effect: block}
    - {invariant: unit_not_failed, units: ["other.service"], severity: ticket}
`})
	r := run(t, rules, "stale-unit", "container-exited", "no-containers")
	stale := r.byName(t, "stale-unit")
	if stale.Verdict != VerdictFound || stale.Heal != LeftAlone || !strings.Contains(stale.Note, "it is an alert") {
		t.Errorf("a heal made an alert: %+v", stale)
	}
	exited := r.byName(t, "container-exited")
	if exited.Verdict != VerdictFound || exited.Heal != Healed || !strings.Contains(exited.Note, "with these it is healed") {
		t.Errorf("an allowed restart: %+v", exited)
	}
	if got := r.byName(t, "no-containers"); got.Verdict != VerdictFound || got.Heal != LeftAlone {
		t.Errorf("a restart that is not allowed: %+v", got)
	}
	want := []string{"settings.yaml: restart: lab-*: the drill has no such unit", "settings.yaml: decide: other.service: the drill has no such unit"}
	if r.ExitCode != StatusGood || !slices.Equal(r.Notes, want) {
		t.Errorf("exit status %d, notes %q", r.ExitCode, r.Notes)
	}
}

// accuser is a rule that accuses every managed unit that is active, and as such also what is
// right.
const accuser = `# METADATA
# title: every unit is silent
# description: A rule that accuses everything.
# schemas:
#   - input: schema.facts
# custom:
#   class: unit
#   severity: ticket
#   needs: [units.loaded]
#   actions: []
#   runbook: all_silent.md
package stackpolicy.invariants.all_silent

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s is accused", [unit.name]),
	"evidence": {"case": "accused", "expected": "silence", "found": "a unit"},
} if {
	some unit in input.units
	unit.managed_by != ""
	unit.loaded.active_state == "active"
}
`

const runbook = "# A rule\n\n## How to mend\n\n### any\n\n1. Nothing.\n"

// TestARuleThatAccuses checks that findings about what is right are false accusations.
func TestARuleThatAccuses(t *testing.T) {
	rules := folder(t, false, map[string]string{
		"invariants/all_silent/all_silent.rego": accuser, "invariants/all_silent/all_silent.md": runbook,
	})
	r := run(t, rules, "in-order", "right-added", "stopped")
	all := r.byName(t, "in-order")
	if all.Verdict != VerdictAccused || len(all.Accused) < len(wanted) {
		t.Errorf("in order: %+v", all)
	}
	if added := r.byName(t, "right-added"); added.Verdict != VerdictAccused || len(added.Accused) != 1 || added.Accused[0].Subject != "evil-new.service" {
		t.Errorf("what was accused before is no new accusation: %+v", added)
	}
	if got := r.byName(t, "stopped"); got.Verdict != VerdictFound || len(got.Accused) != 0 {
		t.Errorf("what was accused before is no new accusation: %+v", got)
	}
	if r.ExitCode != StatusWrong || !strings.Contains(text80(t, r), "falsely accused: daemon.service all_silent: daemon.service is accused") {
		t.Errorf("exit status %d\n%s", r.ExitCode, text80(t, r))
	}
}

// TestLocalFacts checks that a rule which reads a fact of the operator's own has it.
func TestLocalFacts(t *testing.T) {
	rule := strings.NewReplacer("all_silent", "backup_done", "[units.loaded]", "[local]",
		"	some unit in input.units\n	unit.managed_by != \"\"\n	unit.loaded.active_state == \"active\"\n", "	some unit in [{\"name\": \"host\"}]\n	not input.local.backup.data.done\n").Replace(accuser)
	rules := folder(t, false, map[string]string{
		"invariants/backup_done/backup_done.rego": rule, "invariants/backup_done/backup_done.md": runbook,
	})
	for done, want := range map[string]Verdict{"true": VerdictRight, "false": VerdictAccused} {
		home := t.TempDir()
		path := filepath.Join(home, "stackpolicy/facts.d/backup.json")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(`{"done": `+done+`}`), 0o644); err != nil {
			t.Fatal(err)
		}
		r := runIn(t, home, rules, "in-order")
		if got := r.byName(t, "in-order"); got.Verdict != want {
			t.Errorf("done %s: %+v", done, got)
		}
		if !slices.Equal(r.Notes, []string{"copied 1 files of facts.d"}) {
			t.Errorf("notes %q", r.Notes)
		}
	}
}

// text80 is the result as text of 80 columns, of which no line is longer.
func text80(t *testing.T, r Result) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, r, 80); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if len([]rune(strings.TrimRight(line, "\n"))) > 80 {
			t.Errorf("longer than 80 columns: %q", line)
		}
	}
	return b.String()
}
