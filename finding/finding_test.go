package finding_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "stackpolicy/finding"
)

// The report's contract: names, order, and what an empty value looks like.
func TestFindingAsJSON(t *testing.T) {
	until := time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		finding Finding
		want    string
	}{
		"allow": {
			Finding{Invariant: "links_resolve", Subject: Host, Effect: Allow, Message: "every link resolves", Evidence: map[string]any{}, Class: ClassHost},
			`{"invariant":"links_resolve","subject":"host","effect":"allow","severity":"","message":"every link resolves","evidence":{},"runbook":"","waiver":null,"outcome":""}`,
		},
		"waived heal": {
			Finding{
				Invariant: "loaded_is_current", Subject: "db.service", Effect: Heal, Severity: Ticket, Message: "old",
				Evidence: map[string]any{"case": "file-changed"}, Runbook: "r.md", Outcome: Refused, Action: DaemonReload,
				Waiver: &Waiver{Reason: "moves", Owner: "ada", Until: until},
			},
			`{"invariant":"loaded_is_current","subject":"db.service","effect":"heal","severity":"ticket","message":"old","evidence":{"case":"file-changed"},"runbook":"r.md","waiver":{"reason":"moves","owner":"ada","until":"2026-12-24T18:00:00Z"},"outcome":"refused"}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(c.finding)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// How bad a finding is. The waiver hides it from the level, not from the urgency.
func TestLevel(t *testing.T) {
	waiver := &Waiver{Reason: "r", Owner: "o"}
	cases := map[string]struct {
		finding Finding
		level   Level
		urgency Severity
		counts  bool
	}{
		"allow":                   {Finding{Effect: Allow}, LevelOK, "", false},
		"block and page":          {Finding{Effect: Block, Severity: Page}, LevelCritical, Page, true},
		"block and ticket":        {Finding{Effect: Block, Severity: Ticket}, LevelWarning, Ticket, true},
		"undecided":               {Finding{Effect: Block, Severity: Unknown}, LevelUnknown, Unknown, true},
		"an unheard severity":     {Finding{Effect: Block, Severity: "loud"}, LevelWarning, "loud", true},
		"heal without an outcome": {Finding{Effect: Heal, Severity: Page}, LevelWarning, Ticket, true},
		"heal planned":            {Finding{Effect: Heal, Severity: Page, Outcome: Planned}, LevelWarning, Ticket, true},
		"heal refused":            {Finding{Effect: Heal, Severity: Page, Outcome: Refused}, LevelWarning, Ticket, true},
		"heal failed":             {Finding{Effect: Heal, Severity: Ticket, Outcome: HealFailed}, LevelCritical, Page, true},
		"healed":                  {Finding{Effect: Heal, Severity: Page, Outcome: Healed}, LevelOK, Ticket, false},
		"waived page":             {Finding{Effect: Block, Severity: Page, Waiver: waiver}, LevelOK, Page, false},
		"waived heal":             {Finding{Effect: Heal, Severity: Ticket, Waiver: waiver}, LevelOK, Ticket, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.finding.Level(); got != c.level {
				t.Errorf("level: got %s, want %s", got, c.level)
			}
			if got := c.finding.Urgency(); got != c.urgency {
				t.Errorf("urgency: got %q, want %q", got, c.urgency)
			}
			if got := c.finding.Counts(); got != c.counts {
				t.Errorf("counts: got %v, want %v", got, c.counts)
			}
		})
	}
}

func TestWorstOf(t *testing.T) {
	allow, ticket := Finding{Effect: Allow}, Finding{Effect: Block, Severity: Ticket}
	page, unknown := Finding{Effect: Block, Severity: Page}, Finding{Effect: Block, Severity: Unknown}
	cases := map[string]struct {
		findings []Finding
		want     Level
	}{
		"none":                     {nil, LevelOK},
		"allows":                   {[]Finding{allow, allow}, LevelOK},
		"ticket among allows":      {[]Finding{allow, ticket, allow}, LevelWarning},
		"unknown outranks ticket":  {[]Finding{unknown, ticket}, LevelUnknown},
		"page outranks unknown":    {[]Finding{page, unknown, ticket}, LevelCritical},
		"the order does not count": {[]Finding{ticket, unknown, page}, LevelCritical},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := WorstOf(c.findings); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestCase(t *testing.T) {
	cases := map[string]struct {
		finding Finding
		want    string
		isGap   bool
	}{
		"no evidence":         {Finding{Severity: Unknown}, "", false},
		"no case":             {Finding{Severity: Unknown, Evidence: map[string]any{"file": "a"}}, "", false},
		"a case of no text":   {Finding{Severity: Unknown, Evidence: map[string]any{"case": 7}}, "", false},
		"a rule's case":       {Finding{Severity: Page, Evidence: map[string]any{"case": "exited"}}, "exited", false},
		"a gap":               {Finding{Severity: Unknown, Evidence: map[string]any{"case": CaseGap}}, CaseGap, true},
		"an error":            {Finding{Severity: Unknown, Evidence: map[string]any{"case": CaseError}}, CaseError, false},
		"a rule that says it": {Finding{Severity: Page, Evidence: map[string]any{"case": CaseGap}}, CaseGap, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.finding.Case(); got != c.want {
				t.Errorf("case: got %q, want %q", got, c.want)
			}
			if got := c.finding.IsGap(); got != c.isGap {
				t.Errorf("gap: got %v, want %v", got, c.isGap)
			}
		})
	}
}

func TestAsksFor(t *testing.T) {
	heal := Finding{Effect: Heal, Action: Restart}
	waived, blocked := heal, heal
	waived.Waiver, blocked.Effect = &Waiver{}, Block
	cases := map[string]struct {
		finding Finding
		action  Action
		want    bool
	}{
		"its action":     {heal, Restart, true},
		"another action": {heal, DaemonReload, false},
		"waived":         {waived, Restart, false},
		"a block":        {blocked, Restart, false},
		"an allow":       {Finding{Effect: Allow}, "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.finding.AsksFor(c.action); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestPublicEvidence(t *testing.T) {
	evidence := map[string]any{"case": "masked"}
	before := Finding{Evidence: evidence}
	if got := before.PublicEvidence(); len(got) != 1 || before.AfterWhat() != "" {
		t.Errorf("of one that was there before: got %v, after %q", got, before.AfterWhat())
	}
	later := Finding{Evidence: evidence, AppearedAfter: []Action{DaemonReload, Restart}}
	got := later.PublicEvidence()
	if got["appeared_after"] != "daemon-reload, restart" || got["case"] != "masked" {
		t.Errorf("of one that appeared later: got %v", got)
	}
	if len(evidence) != 1 {
		t.Errorf("the rule's evidence was changed: %v", evidence)
	}
}

// Everyone imports this package, so it imports nobody.
func TestLeaf(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, ".") || strings.HasPrefix(i.Path.Value, `"stackpolicy`) {
				t.Errorf("%s imports %s; this package imports the standard library only", name, i.Path.Value)
			}
		}
	}
}
