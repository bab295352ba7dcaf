package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
)

// waiving is a folder with one invariant that has a finding for every unit and for the host,
// the invariant waivers_current, and waivers: each is "INVARIANT UNITS OWNER UNTIL".
func waiving(waivers ...string) fstest.MapFS {
	var settings strings.Builder
	settings.WriteString("settings:\n  waivers:\n")
	for _, w := range waivers {
		f := strings.Fields(w)
		fmt.Fprintf(&settings, "    - {invariant: %q, units: [%q], owner: %s, until: %s, reason: known}\n", f[0], f[1], f[2], f[3])
	}
	everywhere := `
finding contains {"subject": subject, "effect": "heal", "action": "restart", "message": "found", "evidence": {"case": "any"}} if {
	some unit in input.units
	unit.loaded
	some subject in {unit.name, "host"}
}
`
	watch := strings.NewReplacer("invariants.loaded", "invariants.waivers_current").Replace(fixture.Metadata + everywhere)
	return fixture.Folder(map[string]string{
		fixture.RuleFile: fixture.Metadata + everywhere, "settings.yaml": settings.String(),
		"invariants/waivers_current/waivers_current.rego": watch, "invariants/waivers_current/loaded.md": fixture.Runbook,
	})
}

// TestWaivers: the document is of 2026-01-02T03:04:05Z.
func TestWaivers(t *testing.T) {
	const later, latest = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00+01:00"
	cases := map[string]struct {
		waivers []string
		want    []string // "SUBJECT OWNER" of waived findings
	}{
		"a unit":               {[]string{"loaded web.service ada " + later}, []string{"web.service ada"}},
		"a pattern":            {[]string{"loaded *.service ada " + later}, []string{"db.service ada", "web.service ada"}},
		"the host":             {[]string{"loaded host ada " + later}, []string{"host ada"}},
		"a star is no host":    {[]string{"loaded * ada " + later}, []string{"db.service ada", "web.service ada"}},
		"every invariant":      {[]string{"* web.service ada " + later}, []string{"web.service ada"}},
		"another unit":         {[]string{"loaded other.service ada " + later}, nil},
		"in force for a blink": {[]string{"loaded host ada 2026-01-02T03:04:05.001Z"}, []string{"host ada"}},
		"expired just now":     {[]string{"loaded host ada 2026-01-02T04:04:05+01:00"}, nil},
		"the longest counts":   {[]string{"loaded host ada " + later, "l* host bob " + latest, "loaded host cid 2020-01-01T00:00:00Z"}, []string{"host bob"}},
		"the first of equals":  {[]string{"loaded host ada " + later, "loaded host bob " + later}, []string{"host ada"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			decisions := decide(t, load(t, waiving(c.waivers...), Options{}), document("db.service", "web.service"))
			var got []string
			for _, d := range decisions {
				if d.Waiver != nil {
					got = append(got, d.Subject+" "+d.Waiver.Owner)
				}
				if d.Effect != "heal" || d.Severity != "page" || d.Message != "found" || d.Action != "restart" {
					t.Errorf("a waiver changed more than itself: %+v", d)
				}
				if d.Waiver != nil && d.Invariant == policy.WatchesWaivers {
					t.Errorf("%s is waived", d.Invariant)
				}
			}
			if !slices.Equal(got, c.want) || len(decisions) != 6 {
				t.Errorf("got %q of %d, want %q of 6", got, len(decisions), c.want)
			}
		})
	}
}

func TestAWaiverSaysWhy(t *testing.T) {
	fsys := waiving("loaded host ada 2026-02-01T00:00:00Z")
	got := string(encode(map[string]any{"waiver": decide(t, load(t, fsys, Options{}), document("web.service"))[0].Waiver}))
	if want := `{"waiver":{"reason":"known","owner":"ada","until":"2026-02-01T00:00:00Z"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNothingElseIsWaived: an invariant that holds has nothing to waive, and one that could
// not be decided is not waived.
func TestNothingElseIsWaived(t *testing.T) {
	settings := "settings:\n  waivers: [{invariant: \"*\", units: [\"*\", host], owner: a, reason: b, until: 2027-01-01T00:00:00Z}]\n"
	erring := strings.Replace(fixture.Rule, `unit.loaded.load_state != "loaded"`, `1 / count(unit.stack) > 0; unit.loaded`, 1)
	for name, c := range map[string]struct{ rules, want string }{
		"allow":     {fixture.Rule, "web.service | allow |  | the unit is loaded"},
		"undecided": {erring, "host | block | unknown | cannot be decided: invariants/loaded/loaded.rego:21: div: divide by zero"},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fixture.Folder(map[string]string{fixture.RuleFile: fixture.Metadata + c.rules, "settings.yaml": settings})
			got := decide(t, load(t, fsys, Options{}), document("web.service"))
			if shape(got) != c.want || got[0].Waiver != nil {
				t.Errorf("got %s, waived %v; want %s", shape(got), got[0].Waiver, c.want)
			}
		})
	}
}
