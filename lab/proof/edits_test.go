package proof

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
	"stackpolicy/policies"
)

// story is what happens on the machine, a state after the other. Nothing is healed. What the
// built-in policies find in the states 1 to 5:
//
//	2   web.service loaded_is_current heal/ticket
//	3–5 files.service dropins_owned block/page
//	4–5 web.service stack_running block/page
//	5   feeds.service wanted_is_running block/page
func story(s *stage) []func() {
	return []func(){
		func() {},
		func() { settle(); s.activate("another", idleTimer) },
		func() {
			s.do(s.Write(s.Unit("files.service.d/foreign.conf"), dropIn))
			s.reload()
		},
		func() {
			containers := scene.Containers()
			containers[0].Health = "unhealthy"
			s.do(s.Podman(containers...))
		},
		func() { s.systemctl("stop", "feeds.service") },
	}
}

// idleTimer makes the audits of the test the only ones.
var idleTimer = map[string]string{
	unit("stackpolicy-audit.timer"): scene.Stamped("[Unit]\nDescription=Audit\n\n[Timer]\nOnStartupSec=20h\nOnUnitInactiveSec=20h\n"),
}

// folder has the files of a policy folder.
type folder map[string]string

// edit is a change of policies, and what it changes in the story, as it was written down
// before it was tried: states, subject, invariant, level before, level after. A - is none.
// The want of policies that cannot be used is a part of the error, after "error: ".
type edit struct {
	name   string
	folder folder
	want   []string
}

func settings(text string) folder { return folder{"settings.yaml": "settings: {" + text + "}\n"} }

// builtin returns a file of the built-in policies.
func builtin(path string) string {
	text, err := fs.ReadFile(policies.FS, path)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func ruleOf(id string) (file, text string) {
	file = "invariants/" + id + "/" + id + ".rego"
	return file, builtin(file)
}

// replaced is a layer in which an invariant has another text.
func replaced(id, old, other string) folder {
	file, text := ruleOf(id)
	if !strings.Contains(text, old) {
		panic(fmt.Sprintf("%s has no %q", file, old))
	}
	runbook := strings.TrimSuffix(file, ".rego") + ".md"
	return folder{file: strings.ReplaceAll(text, old, other), runbook: builtin(runbook)}
}

// lacking is a copy of the built-in policies in which an invariant is missing.
func lacking(id string) folder {
	f := folder{}
	_ = fs.WalkDir(policies.FS, ".", func(path string, d fs.DirEntry, _ error) error {
		if !d.IsDir() && !strings.HasPrefix(path, "invariants/"+id+"/") {
			f[path] = builtin(path)
		}
		return nil
	})
	return f
}

// added is a layer with an invariant of its own.
func added(class, finding string) folder {
	_, text := ruleOf("linger_enabled")
	head, _, _ := strings.Cut(text, "package ")
	head = strings.NewReplacer("class: host", "class: "+class, "needs: [user]", "needs: [units.loaded, units.files]", "linger_enabled.md", "own.md").Replace(head)
	return folder{
		"invariants/own/own.rego": head + "package stackpolicy.invariants.own\n\n" + finding,
		"invariants/own/own.md":   strings.ReplaceAll(builtin("invariants/linger_enabled/linger_enabled.md"), "linger_enabled", "own"),
	}
}

const about = `finding contains {
	"subject": unit.name, "effect": "block", "severity": "ticket", "message": "m", "evidence": {"case": "off"},
} if {
	some unit in input.units
	unit.managed_by != ""
`

var edits = []edit{
	// Settings.
	{"a restart that is allowed", settings(`restart: [web.service]`), []string{"4-5 web.service stack_running block/page heal/ticket"}},
	{"a restart of another one", settings(`restart: ["files*"]`), nil},
	{"trust in drop-ins of the distribution", settings(`trust_distribution_dropins: true`), nil},
	{"an alert in place of a heal", settings(`decide: [{invariant: loaded_is_current, units: ["*"], effect: block}]`), []string{"2 web.service loaded_is_current heal/ticket block/ticket"}},
	{"the same for another unit", settings(`decide: [{invariant: loaded_is_current, units: [files.service], effect: block}]`), nil},
	{"a lower severity", settings(`decide: [{invariant: dropins_owned, units: ["*"], severity: ticket}]`), []string{"3-5 files.service dropins_owned block/page block/ticket"}},
	{"a lower severity by a pattern", settings(`decide: [{invariant: stack_running, units: ["w*"], severity: ticket}]`), []string{"4-5 web.service stack_running block/page block/ticket"}},
	{"a higher severity", settings(`decide: [{invariant: loaded_is_current, units: ["*"], severity: page}]`), []string{"2 web.service loaded_is_current heal/ticket heal/page"}},
	{"an entry for no unit", settings(`decide: [{invariant: stack_running, units: [gone.service], severity: ticket}]`), []string{"1-5 host waivers_current - block/ticket"}},
	{"a waiver", settings(`waivers: [{invariant: dropins_owned, units: [files.service], reason: x, owner: y, until: ` + nextMonth + `}]`), []string{"3-5 files.service dropins_owned block/page block/page, waived"}},
	{"a waiver of a heal", settings(`waivers: [{invariant: loaded_is_current, units: [web.service], reason: x, owner: y, until: ` + nextMonth + `}]`), []string{"2 web.service loaded_is_current heal/ticket heal/ticket, waived"}},
	{"a waiver of another unit", settings(`waivers: [{invariant: dropins_owned, units: [web.service], reason: x, owner: y, until: ` + nextMonth + `}]`), nil},
	{"a waiver that has expired", settings(`waivers: [{invariant: dropins_owned, units: [files.service], reason: x, owner: y, until: 2020-01-01T00:00:00Z}]`), []string{"1-5 host waivers_current - block/ticket"}},
	{"a grace period", settings(`grace: {loaded_is_current: 12h}`), nil},
	{"a budget", settings(`budget: {unit: 1, host: 1, window: 24h}`), nil},
	{"much space is wanted", settings(`storage: {free_mb: 1000000000}`), []string{"1-5 host storage_survives_reboot - block/ticket"}},
	// Flips and thresholds.
	{"heal to alert", replaced("loaded_is_current", `"effect": "heal",`, `"effect": "block",`), []string{"2 web.service loaded_is_current heal/ticket block/ticket"}},
	{"ticket to page", replaced("loaded_is_current", "\"effect\": \"heal\",\n\t\"severity\": \"ticket\"", "\"effect\": \"heal\",\n\t\"severity\": \"page\""), []string{"2 web.service loaded_is_current heal/ticket heal/page"}},
	{"page to ticket", replaced("dropins_owned", `"severity": "page"`, `"severity": "ticket"`), []string{"3-5 files.service dropins_owned block/page block/ticket"}},
	{"only one unit", replaced("dropins_owned", `unit.managed_by != ""`, `unit.name == "web.service"`), []string{"3-5 files.service dropins_owned block/page -"}},
	{"another state", replaced("wanted_is_running", `unit.loaded.active_state == "inactive"`, `unit.loaded.active_state == "failed"`), []string{"5 feeds.service wanted_is_running block/page -"}},
	{"unhealthy is in order", replaced("stack_running", `["running", "starting"],`, `["running", "starting"], ["running", "unhealthy"],`), []string{"4-5 web.service stack_running block/page -"}},
	{"a page that becomes a ticket", replaced("stack_running", `else := "page"`, `else := "ticket"`), []string{"4-5 web.service stack_running block/page block/ticket"}},
	{"a condition turned round", replaced("linger_enabled", "not input.user.linger\n", "input.user.linger\n"), []string{"1-5 host linger_enabled - block/page"}},
	{"a timer that must not run", replaced("audit_timer_active", `input.manager.audit_timer.active_state != "active"`, `input.manager.audit_timer.active_state != "failed"`), []string{"1-5 host audit_timer_active - block/ticket"}},
	{"a start that takes too long", replaced("verify_gate_present", `unit.loaded.timeout_start_sec <= 0`, `unit.loaded.timeout_start_sec <= 100000; unit.name == "web.service"`), []string{"1-5 web.service verify_gate_present - block/ticket"}},
	{"a rule for nobody", replaced("file_declared", `unit.managed_by != ""`, `unit.managed_by == "nobody"`), nil},
	{"another message", replaced("dropins_owned", `"%s changes %s, but %s"`, `"%s alters %s, but %s"`), nil},
	// Deletions.
	{"without loaded_is_current", lacking("loaded_is_current"), []string{"2 web.service loaded_is_current heal/ticket -"}},
	{"without dropins_owned", lacking("dropins_owned"), []string{"3-5 files.service dropins_owned block/page -"}},
	{"without stack_running", lacking("stack_running"), []string{"4-5 web.service stack_running block/page -"}},
	{"without wanted_is_running", lacking("wanted_is_running"), []string{"5 feeds.service wanted_is_running block/page -"}},
	{"without linger_enabled", lacking("linger_enabled"), nil},
	// New invariants.
	{"an active unit", added("unit", about+"\tunit.name == \"web.service\"\n\tunit.loaded.active_state == \"active\"\n}\n"), []string{"1-5 web.service own - block/ticket"}},
	{"a stopped unit", added("unit", about+"\tunit.name == \"feeds.service\"\n\tunit.loaded.active_state != \"active\"\n}\n"), []string{"5 feeds.service own - block/ticket"}},
	{"a drop-in in use", added("unit", about+"\tsome file in unit.files\n\tfile.role == \"dropin\"\n\tfile.loaded\n}\n"), []string{"3-5 files.service own - block/ticket"}},
	{"many failed units", added("host", "finding contains {\n\t\"subject\": \"host\", \"effect\": \"block\", \"severity\": \"page\", \"message\": \"m\", \"evidence\": {\"case\": \"off\"},\n} if {\n\tcount([1 | some unit in input.units; unit.loaded.active_state == \"failed\"]) > 3\n}\n"), nil},
	{"a rule that fails", added("unit", about+"\tto_number(unit.name) > 1\n}\n"), []string{"1-5 host own - block/unknown"}},
	// Broken ones.
	{"a syntax error", added("unit", about+"\tunit.name == \n}\n"), []string{"error: invariants/own/own.rego:"}},
	{"a key that does not exist", added("unit", about+"\tunit.loaded.state == \"active\"\n}\n"), []string{"error: invariants/own/own.rego:"}},
	{"a builtin that is not allowed", added("unit", about+"\thttp.send({\"url\": \"http://x\"}).x == 1\n}\n"), []string{"error: invariants/own/own.rego:"}},
	{"no metadata", folder{"invariants/own/own.rego": "package stackpolicy.invariants.own\n\nfinding := set()\n"}, []string{"error: invariants/own/own.rego:"}},
	{"an unknown setting", settings(`restarts: []`), []string{"error: settings.yaml:"}},
	{"a heal by a setting", settings(`decide: [{invariant: stack_running, units: ["*"], effect: heal}]`), []string{"error: settings.yaml:"}},
}

var nextMonth = time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339)

// TestEdits: what impact predicts of a changed rule or setting is what was written down by
// hand, and what happens when an audit on a real manager decides with it. Without
// STACKPOLICY_LAB_EACH, each fifth is tried.
func TestEdits(t *testing.T) {
	if len(edits) < 40 {
		t.Errorf("%d edits", len(edits))
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, idleTimer)
		var some []edit
		for i, e := range edits {
			if os.Getenv("STACKPOLICY_LAB_EACH") != "" || i%5 == 0 {
				some = append(some, e)
			}
		}
		happened, times := make([][]string, len(some)), []time.Time{}
		for i := range some {
			happened[i] = []string{}
			s.writeFolder(i, some[i].folder)
		}
		// The audits with other policies have a history of their own, and the same generation.
		for _, name := range []string{"home-manager", "nix"} {
			s.do(s.Link("../.local/state/"+name, s.Home+"/other/"+name))
		}
		for n, next := range story(s) {
			next()
			r := s.eval()
			times = append(times, r.CollectedAt)
			for i, e := range some {
				if !e.isRefused() {
					other := s.evalBy("env", "XDG_STATE_HOME="+s.Home+"/other", "stackpolicy", "eval", "-o", "json", "--policy", s.folder(i))
					happened[i] = append(happened[i], differences(n+1, r.levels(), other.levels())...)
				}
			}
		}
		for i, e := range some {
			if e.isRefused() {
				s.refuses(i, e)
				continue
			}
			if d := cmp.Diff(e.lines(), happened[i]); d != "" {
				t.Errorf("%s: -by hand +happened\n%s", e.name, d)
			}
			if d := cmp.Diff(e.lines(), s.predicted(i, times)); d != "" {
				t.Errorf("%s: -by hand +predicted\n%s", e.name, d)
			}
		}
	})
}

func (s *stage) folder(i int) string { return filepath.Join(s.Home, fmt.Sprintf("edit-%d", i)) }

func (s *stage) writeFolder(i int, f folder) {
	s.t.Helper()
	for name, text := range f {
		s.do(s.Write(filepath.Join(s.folder(i), name), text))
	}
}

func (e edit) isRefused() bool { return len(e.want) == 1 && strings.HasPrefix(e.want[0], "error: ") }

// lines are the expected changes, one for each state.
func (e edit) lines() []string {
	lines := []string{}
	for _, w := range e.want {
		states, rest, _ := strings.Cut(w, " ")
		first, last, isRange := strings.Cut(states, "-")
		if !isRange {
			last = first
		}
		for n := first[0]; n <= last[0]; n++ {
			lines = append(lines, fmt.Sprintf("%c %s", n, rest))
		}
	}
	slices.Sort(lines)
	return lines
}

// levels are what was found, by subject and invariant.
func (r report) levels() map[string]string {
	found := map[string]string{}
	for _, d := range r.Decisions {
		if d.Effect == "allow" {
			continue
		}
		level := d.Effect + "/" + d.Severity
		if d.Waiver != nil {
			level += ", waived"
		}
		found[d.Subject+" "+d.Invariant] = level
	}
	return found
}

func differences(state int, before, after map[string]string) []string {
	lines := []string{}
	for key, was := range before {
		if is := after[key]; is != was {
			lines = append(lines, fmt.Sprintf("%d %s %s %s", state, key, was, orDash(is)))
		}
	}
	for key, is := range after {
		if before[key] == "" {
			lines = append(lines, fmt.Sprintf("%d %s - %s", state, key, is))
		}
	}
	slices.Sort(lines)
	return lines
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// predicted is what impact says, one line for each state.
func (s *stage) predicted(i int, times []time.Time) []string {
	s.t.Helper()
	r := s.Stackpolicy(s.t.Context(), "impact", "--policy", s.folder(i), "-o", "json")
	var impact struct {
		Findings []struct {
			Invariant, Subject, Before, After string
			First, Last                       time.Time
		}
		Unknown []any
	}
	if err := json.Unmarshal([]byte(r.Out), &impact); err != nil || len(impact.Unknown) != 0 {
		s.t.Errorf("impact: status %d, %v, %s%s", r.Code, err, r.Out, r.Err)
	}
	lines := []string{}
	for _, f := range impact.Findings {
		for n, at := range times {
			if !at.Before(f.First.Add(-time.Millisecond)) && !at.After(f.Last.Add(time.Millisecond)) {
				lines = append(lines, fmt.Sprintf("%d %s %s %s %s", n+1, f.Subject, f.Invariant, orDash(f.Before), orDash(f.After)))
			}
		}
	}
	slices.Sort(lines)
	if want := min(len(lines), 1); r.Code != want {
		s.t.Errorf("impact: status %d, want %d: %s", r.Code, want, r.Err)
	}
	return lines
}

// refuses checks that neither impact nor an audit decides with policies that cannot be used,
// and that both say where.
func (s *stage) refuses(i int, e edit) {
	s.t.Helper()
	want := s.folder(i) + "/" + strings.TrimPrefix(e.want[0], "error: ")
	for _, verb := range []string{"impact", "eval"} {
		if r := s.Stackpolicy(s.t.Context(), verb, "--policy", s.folder(i)); r.Code != 3 || !strings.Contains(r.Err, want) {
			s.t.Errorf("%s: %s: status %d, %s; want %s", e.name, verb, r.Code, r.Err, want)
		}
	}
}

// TestPoliciesThatChanged: the first audit with other policies says so, and what differs.
func TestPoliciesThatChanged(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, idleTimer)
		s.writeFolder(0, settings("restart: [web.service]"))
		s.writeFolder(1, lacking("linger_enabled"))
		s.writeFolder(2, settings("restarts: []"))
		for _, c := range []struct{ what, says string }{
			{"", ""},
			{"", ""},
			{s.folder(0), "UTC (settings.yaml); what they would have changed"},
			{s.folder(0), ""},
			{s.folder(1), "UTC (linger_enabled, settings.yaml); what they would have changed"},
			{"", "UTC (linger_enabled); what they would have changed"},
			{s.folder(2), "settings.yaml:1: "}, // it cannot begin, and no policies decide
			{"", ""},
		} {
			args := []string{"eval"}
			if c.what != "" {
				args = append(args, "--policy", c.what)
			}
			r := s.Stackpolicy(t.Context(), args...)
			want := 0
			if c.what == s.folder(2) {
				want = 3
			}
			if r.Code != want || c.says == "" && r.Err != "" || !strings.Contains(r.Err, c.says) {
				t.Errorf("%q: status %d, %q; want %q", args, r.Code, r.Err, c.says)
			}
		}
	})
}
