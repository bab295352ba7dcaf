package collect

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
)

// TestDeclaredHolds checks that the configuration's holds join those made by commands, and
// that ended ones stay for a week.
func TestDeclaredHolds(t *testing.T) {
	hold := func(unit string, end time.Duration) config.Hold {
		return config.Hold{Unit: unit, Reason: "new disk", Owner: "ada", Until: noon.Add(end).Format(time.RFC3339)}
	}
	byCommand := facts.Exemption{Reason: "known", Owner: "bob", Since: noon, Until: noon.Add(time.Hour)}
	declared := func(end time.Duration) facts.Exemption {
		return facts.Exemption{Reason: "new disk", Owner: "ada", Until: noon.Add(end), Declared: true}
	}
	source := memory{Subjects: map[string]facts.History{"web.service": {Exemptions: []facts.Exemption{byCommand}}}}
	m, err := collectHistory(t.Context(), source, []config.Hold{
		hold("web.service", time.Hour), hold("db.service", -time.Hour), hold("old.service", -8*24*time.Hour),
	}, noon)
	if err != nil {
		t.Fatal(err)
	}
	for unit, want := range map[string][]facts.Exemption{
		"web.service": {byCommand, declared(time.Hour)}, "db.service": {declared(-time.Hour)},
		"old.service": {}, "other.service": {},
	} {
		if d := cmp.Diff(want, m.of(unit).Exemptions); d != "" {
			t.Errorf("%s -want +got\n%s", unit, d)
		}
	}
	if got := source.Subjects["web.service"].Exemptions; len(got) != 1 {
		t.Errorf("the memory was changed: %v", got)
	}
	if unknown := (remembered{}).of("web.service"); unknown != nil {
		t.Errorf("without a memory: %v", unknown)
	}
}

func TestIdleHolds(t *testing.T) {
	got := idleHolds([]config.Hold{{Unit: "web.service"}, {Unit: "wbe.service"}}, map[string]string{"web.service": "config", "wbe.service": ""})
	if d := cmp.Diff([]string{"wbe.service"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestOthers checks that what was done to units that are not managed is in the document.
func TestOthers(t *testing.T) {
	heals := []facts.HealCount{{Action: "reset-failed", Tried1h: 1}}
	m := remembered{memory: &facts.Memory{Subjects: map[string]facts.History{
		"host": {Heals: heals}, "web.service": {Heals: heals}, "ghost.service": {Heals: heals}, "held.service": {Breaker: &facts.Breaker{}},
		"seen.service": {Findings: []facts.OpenFinding{{Invariant: "x"}}},
	}}}
	var names []string
	for name := range m.others(map[string]string{"web.service": "config"}) {
		names = append(names, name)
	}
	slices.Sort(names)
	if d := cmp.Diff([]string{"ghost.service", "held.service"}, names); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := (remembered{}).others(nil); got != nil {
		t.Errorf("without a memory: %v", got)
	}
}

func TestGoneUnits(t *testing.T) {
	m := remembered{memory: &facts.Memory{Gone: map[string]time.Time{"lab-b.service": noon, "lab-a.service": noon, "lab-c.service": noon, "old-x.service": noon, "other.service": noon, "lab-alias.service": noon},
		Subjects: map[string]facts.History{"lab-d.service": {Load: &facts.Load{}}, "lab-e.service": {}}}}
	patterns := []facts.Pattern{{Pattern: "lab-*.service", Matched: 2}, {Pattern: "old-*.service"}}
	got := goneUnits(m, map[string]string{"lab-c.service": "config"}, patterns, func(name string) bool { return name == "lab-alias.service" }, noon.Add(time.Hour))
	want := []facts.GoneUnit{{Unit: "lab-a.service", Pattern: "lab-*.service", Since: noon}, {Unit: "lab-b.service", Pattern: "lab-*.service", Since: noon},
		{Unit: "lab-d.service", Pattern: "lab-*.service", Since: noon.Add(time.Hour)}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := goneUnits(remembered{}, nil, patterns, nil, noon); got != nil {
		t.Errorf("without a memory: %v", got)
	}
}
