package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/finding"
)

// deciding is a folder with one invariant that asks for a restart of every unit, and of the
// host, and entries of settings.decide.
func deciding(entries ...string) map[string]string {
	settings := "settings:\n  decide:\n"
	for _, e := range entries {
		settings += "    - {" + e + "}\n"
	}
	rules := `
finding contains {"subject": subject, "effect": "heal", "action": "restart", "message": "found", "evidence": {"case": "any"}} if {
	some unit in input.units
	unit.loaded
	some subject in {unit.name, "host"}
}
`
	return map[string]string{fixture.RuleFile: fixture.Metadata + rules, "settings.yaml": settings}
}

func TestOverride(t *testing.T) {
	const heal = "heal page restart "
	for name, c := range map[string]struct {
		entries         []string
		db, web, onHost string // "EFFECT SEVERITY ACTION SETTINGS"
	}{
		"a heal becomes an alert": {
			[]string{`invariant: loaded, units: [web.service], effect: block`},
			heal, "block page  block instead of heal (restart)", heal,
		},
		"another severity": {
			[]string{`invariant: loaded, units: ["w*"], severity: ticket`},
			heal, "heal ticket restart ticket instead of page", heal,
		},
		"both": {
			[]string{`invariant: "l*", units: ["*"], effect: block, severity: ticket`},
			"block ticket  block instead of heal (restart), ticket instead of page", "block ticket  block instead of heal (restart), ticket instead of page", heal,
		},
		"the host": {[]string{`invariant: loaded, units: [host], effect: block`}, heal, heal, "block page  block instead of heal (restart)"},
		"the last severity counts, and a block stays": {
			[]string{`invariant: loaded, units: ["*"], effect: block, severity: ticket`, `invariant: loaded, units: [db.service], severity: page`},
			"block page  block instead of heal (restart)", "block ticket  block instead of heal (restart), ticket instead of page", heal,
		},
		"what the rule says anyway": {[]string{`invariant: loaded, units: ["*"], severity: page`}, heal, heal, heal},
		"another unit":              {[]string{`invariant: loaded, units: [other.service], effect: block`}, heal, heal, heal},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range decide(t, load(t, fixture.Folder(deciding(c.entries...)), Options{}), document("db.service", "web.service")) {
				got = append(got, fmt.Sprintf("%s %s %s %s", d.Effect, d.Severity, d.Action, d.Settings))
				public, _ := d.PublicEvidence()["settings"].(string)
				if public != d.Settings || d.Evidence["settings"] != nil {
					t.Errorf("evidence %v, settings %q", d.PublicEvidence(), d.Settings)
				}
			}
			if want := []string{c.onHost, c.db, c.web}; !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// TestNothingElseIsOverridden: an invariant that holds stays so, and what could not be
// decided stays unknown.
func TestNothingElseIsOverridden(t *testing.T) {
	entry := deciding(`invariant: "*", units: ["*", host], effect: block, severity: ticket`)
	for name, c := range map[string]struct{ rules, want string }{
		"allow":     {fixture.Rule, "web.service | allow |  | the unit is loaded"},
		"undecided": {strings.Replace(fixture.Rule, `unit.loaded.load_state != "loaded"`, `1 / count(unit.stack) > 0; unit.loaded`, 1), "host | block | unknown | cannot be decided: invariants/loaded/loaded.rego:21: div: divide by zero"},
	} {
		t.Run(name, func(t *testing.T) {
			entry[fixture.RuleFile] = fixture.Metadata + c.rules
			got := decide(t, load(t, fixture.Folder(entry), Options{}), document("web.service"))
			if shape(got) != c.want || got[0].Settings != "" {
				t.Errorf("got %s (%s), want %s", shape(got), got[0].Settings, c.want)
			}
		})
	}
}

// TestOverrideOfWhatIsRemembered: other settings change remembered findings, and what is
// remembered stays what the rule said.
func TestOverrideOfWhatIsRemembered(t *testing.T) {
	memory := NewMemory()
	for _, want := range []finding.Effect{finding.Block, finding.Heal, finding.Block} {
		files := deciding(`invariant: loaded, units: ["*"], effect: block`)
		if want == finding.Heal {
			files["settings.yaml"] = ""
		}
		for range 2 {
			p := load(t, fixture.Folder(files), Options{Memory: memory, Program: "p"})
			for _, d := range decide(t, p, document("web.service")) {
				if d.Subject != "host" && d.Effect != want {
					t.Errorf("got %+v, want %s", d, want)
				}
			}
		}
	}
}
