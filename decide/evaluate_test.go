package decide

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
)

// found returns a rule whose only finding is the given object.
func found(object string) fstest.MapFS {
	return fixture.WithRule("finding contains object.union(base, over)\n\nbase := {\"message\": \"m\", \"evidence\": {}}\n\nover := " + object + "\n")
}

func TestDecide(t *testing.T) {
	cases := map[string]struct {
		fsys fstest.MapFS
		doc  func(*facts.Document)
		want string
	}{
		"holds": {fixture.Folder(nil), func(*facts.Document) {},
			"a.service | allow |  | the unit is loaded\nb.service | allow |  | the unit is loaded"},
		"broken": {fixture.Folder(nil), func(d *facts.Document) { d.Units[0].Loaded.LoadState = "error" },
			"a.service | block | page | not loaded\nb.service | allow |  | the unit is loaded"},
		"unmanaged units are not judged": {fixture.Folder(nil), func(d *facts.Document) { d.Units[0].ManagedBy = "" },
			"b.service | allow |  | the unit is loaded"},
		"a stack invariant asks stacks": {fixture.WithMetadata("class: unit", "class: stack"), func(d *facts.Document) { d.Units[1].Stack = "b" },
			"b.service | allow |  | the unit is loaded"},
		"a host invariant asks the host": {fixture.WithMetadata("class: unit", "class: host"), func(*facts.Document) {},
			"host | allow |  | the unit is loaded"},
		"a host invariant with a finding does not hold": {fixture.WithMetadata("class: unit", "class: host"), func(d *facts.Document) { d.Units[0].Loaded.LoadState = "error" },
			"a.service | block | page | not loaded"},
		"a failed unit without a file is a subject": {found(`{"subject": "gone.service", "effect": "heal", "action": "restart"}`),
			func(d *facts.Document) { d.Manager.FailedNoFile = []string{"gone.service"} },
			"a.service | allow |  | the unit is loaded\nb.service | allow |  | the unit is loaded\ngone.service | heal | page | m"},
		"a finding's own severity": {found(`{"subject": "host", "effect": "block", "severity": "ticket"}`), func(*facts.Document) {},
			"host | block | ticket | m\na.service | allow |  | the unit is loaded\nb.service | allow |  | the unit is loaded"},
		"a subject that the rule cannot judge": {found(`{"subject": "a.service", "effect": "block", "severity": "unknown"}`), func(*facts.Document) {},
			"a.service | block | unknown | m\nb.service | allow |  | the unit is loaded"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc := document("a.service", "b.service")
			c.doc(doc)
			if got := shape(decide(t, load(t, c.fsys, Options{}), doc)); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestGapsAreNeverAllowed(t *testing.T) {
	cases := map[string]struct {
		need string
		doc  func(*facts.Document)
		want string
	}{
		"the collector failed": {"units.loaded", func(d *facts.Document) {
			d.Collectors["systemd"] = facts.CollectorStatus{Error: "no bus"}
		}, "units.loaded was not collected: no bus systemd"},
		"the collector failed and says nothing": {"manager", func(d *facts.Document) {
			d.Collectors["systemd"] = facts.CollectorStatus{}
		}, "manager was not collected: the collector systemd gave no reason systemd"},
		"the collector did not run": {"units.containers", func(d *facts.Document) { delete(d.Collectors, "podman") },
			"units.containers was not collected: the collector podman did not run podman"},
		"one of two collectors failed": {"units.reload", func(d *facts.Document) {
			d.Collectors["files"] = facts.CollectorStatus{Error: "denied"}
		}, "units.reload was not collected: denied files"},
		"the other of two collectors failed": {"units.reload", func(d *facts.Document) {
			d.Collectors["systemd"] = facts.CollectorStatus{Error: "no bus"}
		}, "units.reload was not collected: no bus systemd"},
		"host is absent":     {"host", func(d *facts.Document) { d.Host = nil }, "host was not collected: its collector says ok, but the document lacks it user"},
		"user is absent":     {"user", func(d *facts.Document) { d.User = nil }, "user was not collected: its collector says ok, but the document lacks it user"},
		"manager is absent":  {"manager", func(d *facts.Document) { d.Manager = nil }, "manager was not collected: its collector says ok, but the document lacks it systemd"},
		"declared is absent": {"declared", func(d *facts.Document) { d.Declared = nil }, "declared was not collected: its collector says ok, but the document lacks it home-manager"},
		"podman is absent":   {"podman", func(d *facts.Document) { d.Podman = nil }, "podman was not collected: its collector says ok, but the document lacks it podman"},
		"files failed": {"units.files", func(d *facts.Document) {
			d.Collectors["files"] = facts.CollectorStatus{Error: "denied"}
		}, "units.files was not collected: denied files"},
		"applied failed": {"units.applied", func(d *facts.Document) {
			d.Collectors["applied"] = facts.CollectorStatus{Error: "no answer"}
		}, "units.applied was not collected: no answer applied"},
		"what applied compares with failed": {"units.applied", func(d *facts.Document) {
			d.Collectors["files"] = facts.CollectorStatus{Error: "denied"}
		}, "units.applied was not collected: denied files"},
		"services were not read": {"units.services", func(d *facts.Document) { delete(d.Collectors, "applied") },
			"units.services was not collected: the collector applied did not run applied"},
		"history is absent":                {"history", func(d *facts.Document) { d.History = nil }, "history was not collected: its collector says ok, but the document lacks it history"},
		"a managed unit lacks its history": {"units.history", func(d *facts.Document) { d.Units[0].History = nil }, "units.history was not collected: not for a.service history"},
		"a managed unit lacks its state":   {"units.loaded", func(d *facts.Document) { d.Units[1].Loaded = nil }, "units.loaded was not collected: not for b.service systemd"},
		"a managed unit lacks its reload":  {"units.reload", func(d *facts.Document) { d.Units[1].Reload = nil }, "units.reload was not collected: not for b.service files"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := load(t, fixture.WithMetadata("needs: [units.loaded]", "needs: ["+c.need+"]\n#   optional: [units.loaded]"), Options{})
			doc := document("a.service", "b.service")
			c.doc(doc)
			got := decide(t, p, doc)
			if len(got) != 1 {
				t.Fatalf("got:\n%s\nwant one decision", shape(got))
			}
			d := got[0]
			text := strings.TrimPrefix(d.Message, "cannot be verified: ") + " " + fmt.Sprint(d.Evidence["collector"])
			if d.Subject != "host" || d.Effect != "block" || d.Severity != "unknown" || d.Evidence["case"] != "gap" ||
				d.Evidence["section"] != c.need || text != c.want {
				t.Errorf("got %+v; want %s", d, c.want)
			}
		})
	}
}

func TestTemplatesAndUnmanagedUnitsLackNothing(t *testing.T) {
	doc := document("a.service", "b@.service", "c.service")
	doc.Units[1].Template, doc.Units[1].Loaded = true, nil
	doc.Units[2].ManagedBy, doc.Units[2].Loaded = "", nil
	got := shape(decide(t, load(t, fixture.Folder(nil), Options{}), doc))
	if want := "a.service | allow |  | the unit is loaded\nb@.service | allow |  | the unit is loaded"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestAnOptionalSectionIsNoGap(t *testing.T) {
	fsys := fixture.WithMetadata("needs: [units.loaded]", "needs: [units.loaded]\n#   optional: [podman]")
	doc := document("a.service")
	doc.Collectors["podman"] = facts.CollectorStatus{Error: "down"}
	if got, want := shape(decide(t, load(t, fsys, Options{}), doc)), "a.service | allow |  | the unit is loaded"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestUndecidedIsNeverAllowed(t *testing.T) {
	condition := func(body string) fstest.MapFS {
		return fixture.WithRule("finding contains {\"subject\": \"host\", \"effect\": \"block\", \"message\": \"m\"} if {\n\t" + body + "\n}\n")
	}
	const unit = "some unit in input.units\n\t"
	cases := map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"division by zero":        {condition(unit + "1 / count(unit.stack) > 0"), fixture.RuleFile + ":16: div: divide by zero"},
		"no number":               {condition(unit + "to_number(unit.name) > 0"), fixture.RuleFile + ":16: to_number: strconv"},
		"conflicting values":      {fixture.WithRule("finding contains {\"subject\": \"host\", \"effect\": \"block\", \"message\": x}\n\nx := \"a\"\n\nx := input.units[0].name\n"), fixture.RuleFile + ":18: rule data.stackpolicy.invariants.loaded.x produced conflicting values"},
		"no object":               {fixture.WithRule("finding contains \"broken\"\n"), fixture.RuleFile + `: malformed finding: "broken" is not an object; want {subject, effect, message, evidence}`},
		"no subject":              {found(`{"effect": "block"}`), "malformed finding: subject is missing or not a text"},
		"empty message":           {found(`{"subject": "host", "effect": "block", "message": ""}`), "malformed finding: message is missing or not a text"},
		"a message of a number":   {found(`{"subject": "host", "effect": "block", "message": 1}`), "malformed finding: message is missing or not a text"},
		"effect allow":            {found(`{"subject": "host", "effect": concat("", ["all", "ow"])}`), `malformed finding: unknown effect "allow"; known: heal, block`},
		"unknown severity":        {found(`{"subject": concat("", ["host"]), "effect": "block", "severity": concat("", ["high"])}`), `malformed finding: unknown severity "high"; known: page, ticket`},
		"unknown action":          {found(`{"subject": "host", "effect": "heal", "action": concat("", ["rm"])}`), `malformed finding: unknown action "rm"; ` + policy.OneOf(finding.Actions())},
		"undeclared action":       {found(`{"subject": "host", "effect": "heal", "action": "reset-failed"}`), "malformed finding: the action reset-failed is not in METADATA; custom.actions: [daemon-reload restart]"},
		"heal without action":     {found(`{"subject": "host", "effect": "heal"}`), "malformed finding: a heal of host names no action; METADATA allows: [daemon-reload restart]"},
		"heal of what is unknown": {found(`{"subject": "host", "effect": "heal", "severity": "unknown", "action": "restart"}`), "malformed finding: a heal of host has the severity unknown; heal only what is known"},
		"unknown key":             {found(`{"subject": "host", "effect": "block", concat("", ["sevrity"]): "page"}`), `malformed finding: unknown key "sevrity"; known: action, effect, evidence, message, severity, subject`},
		"unknown subject":         {found(`{"subject": "other.service", "effect": "block"}`), `malformed finding: the subject "other.service" is neither a managed unit nor host, nor failed without a file`},
		"evidence of text":        {found(`{"subject": "host", "effect": "block", "evidence": "x"}`), "malformed finding: evidence is not an object"},
		"a long loop":             {condition("some i in numbers.range(1, 100000)\n\tsome j in numbers.range(1, 100000)\n\ti * j == -1"), fixture.RuleFile + ": stopped at the time limit"},
		"a long builtin":          {condition("count(numbers.range(1, 1000000000)) == 1"), fixture.RuleFile + ": stopped at the time limit"},
		"too many findings":       {fixture.WithRule("finding contains {\"subject\": \"host\", \"effect\": \"block\", \"message\": sprintf(\"%d\", [i])} if some i in numbers.range(1, 10001)\n"), "more than 10000 findings"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := load(t, c.fsys, Options{Limit: time.Second})
			start := time.Now()
			got := decide(t, p, document("a.service"))
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s; want an end at the limit", took)
			}
			undecided := 0
			for _, d := range got {
				if d.Effect == "allow" {
					t.Errorf("got an allow: %+v", d)
				}
				if d.Evidence["case"] == "error" {
					undecided++
					if d.Subject != "host" || d.Effect != "block" || d.Severity != "unknown" ||
						!strings.HasPrefix(d.Message, "cannot be decided: "+fixture.RuleFile) || !strings.Contains(d.Message, c.want) {
						t.Errorf("got %+v; want %s", d, c.want)
					}
				}
			}
			if undecided != 1 {
				t.Errorf("got %d undecided; want 1", undecided)
			}
		})
	}
}

func TestAMalformedFindingLosesNoOther(t *testing.T) {
	fsys := fixture.WithRule(fixture.Rule + "\nfinding contains {\"subject\": \"x\", \"effect\": \"block\", \"message\": \"m\"} if true\n")
	doc := document("a.service", "b.service")
	doc.Units[0].Loaded.LoadState = "error"
	got := shape(decide(t, load(t, fsys, Options{}), doc))
	want := `host | block | unknown | cannot be decided: invariants/loaded/loaded.rego: malformed finding: the subject "x" is neither a managed unit nor host, nor failed without a file
a.service | block | page | not loaded`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestAnUndecidedInvariantLeavesTheOthers(t *testing.T) {
	second := strings.NewReplacer("invariants.loaded", "invariants.second", "the unit is loaded", "second").Replace(fixture.Metadata) +
		"\nfinding contains {\"subject\": \"host\", \"effect\": \"block\", \"message\": \"m\"} if 1 / count(input.units[0].stack) > 0\n"
	p := load(t, fixture.Folder(map[string]string{"invariants/second/second.rego": second, "invariants/second/loaded.md": fixture.Runbook}), Options{})
	got := shape(decide(t, p, document("a.service")))
	want := `host | block | unknown | cannot be decided: invariants/second/second.rego:14: div: divide by zero
a.service | allow |  | the unit is loaded`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestHealBecomesAnAlertByOneEdit(t *testing.T) {
	heal := `{"subject": "a.service", "effect": "heal", "action": "restart"}`
	for effect, action := range map[finding.Effect]finding.Action{finding.Heal: finding.Restart, finding.Block: ""} {
		p := load(t, found(strings.Replace(heal, "heal", string(effect), 1)), Options{})
		got := decide(t, p, document("a.service"))
		if len(got) != 1 || got[0].Effect != effect || got[0].Action != action || got[0].Severity != "page" {
			t.Errorf("%s: got %+v", effect, got)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	fsys := found(`{"subject": "host", "effect": "block", "message": concat("", ["é" | some _ in numbers.range(1, 5000)]),
		"evidence": {"case": "long", "list": numbers.range(1, 20000)}}`)
	d := decide(t, load(t, fsys, Options{}), document("a.service"))[0]
	if runes := []rune(d.Message); len(runes) != maxMessage || runes[maxMessage-1] != '…' {
		t.Errorf("the message has %d runes", len(runes))
	}
	if d.Evidence["case"] != "long" || d.Evidence["list"] != nil || !strings.HasSuffix(fmt.Sprint(d.Evidence["truncated"]), "bytes of evidence are left out") {
		t.Errorf("got evidence %v", d.Evidence)
	}
}

func TestDecisionsAreTheSameBytes(t *testing.T) {
	rules := fixture.Rule + `
finding contains {
	"subject": unit.name,
	"effect": "block",
	"message": "labels",
	"evidence": {"case": "any", "set": {x | some x in ["b", "a", "c"]}, "of": type_name(unit), "keys": object.keys(input.collectors)},
} if some unit in input.units
`
	p := load(t, fixture.WithRule(rules), Options{})
	var want []byte
	for run := range 20 {
		doc := document("a.service", "b.service", "c.service", "d.service")
		for i := range doc.Units {
			doc.Units[i].Loaded.LoadState = "error"
		}
		if run%2 == 1 {
			rand.Shuffle(len(doc.Units), func(i, j int) { doc.Units[i], doc.Units[j] = doc.Units[j], doc.Units[i] })
		}
		got, err := json.Marshal(decide(t, p, doc))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("run %d: got\n%s\nwant\n%s", run, got, want)
		}
	}
}

func TestDecisionJSON(t *testing.T) {
	got, err := json.Marshal(decide(t, load(t, fixture.Folder(nil), Options{}), document("a.service")))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"invariant":"loaded","subject":"a.service","effect":"allow","severity":"","message":"the unit is loaded","evidence":{},"runbook":"","waiver":null,"outcome":""}]`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNothingManaged(t *testing.T) {
	p := load(t, fixture.Folder(nil), Options{})
	doc := document("a.service")
	doc.Units[0].ManagedBy = ""
	result, err := p.Decide(context.Background(), doc)
	if err != nil || result.Managed != 0 || len(result.Decisions) != 0 {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestDecideRefusesAnotherSchema(t *testing.T) {
	doc := document()
	doc.Schema = "stackpolicy.facts/v2"
	_, err := load(t, fixture.Folder(nil), Options{}).Decide(context.Background(), doc)
	if want := `decide: the document's schema is "stackpolicy.facts/v2"; want "stackpolicy.facts/v1"`; err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}

const endless = "finding contains {\"subject\": \"host\", \"effect\": \"block\", \"message\": \"m\"} if {\n\tsome i in numbers.range(1, 100000)\n\tsome j in numbers.range(1, 100000)\n\ti * j == -1\n}\n"

func TestDecideEndsWithItsContext(t *testing.T) {
	p := load(t, fixture.WithRule(endless), Options{Limit: time.Minute, Total: time.Minute})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	before, start := runtime.NumGoroutine(), time.Now()
	result, err := p.Decide(ctx, document("a.service"))
	if !errors.Is(err, context.DeadlineExceeded) || result.Decisions != nil {
		t.Errorf("got %+v, %v", result, err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	for end := start.Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left over", runtime.NumGoroutine()-before)
		}
	}
}

func TestTheTotalLimitBlocks(t *testing.T) {
	p := load(t, fixture.WithRule(endless), Options{Limit: time.Minute, Total: 50 * time.Millisecond})
	got := shape(decide(t, p, document("a.service")))
	if want := "host | block | unknown | cannot be decided: invariants/loaded/loaded.rego: stopped at the time limit"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
