package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/facts"
)

// TestExemptions: waivers and holds made by commands. The document is of
// 2026-01-02T03:04:05Z; the invariant "loaded" has a finding for every unit and for the host.
func TestExemptions(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	later, now := at("2026-02-01T00:00:00Z"), at("2026-01-02T03:04:05Z")
	hold := func(until time.Time) facts.Exemption {
		return facts.Exemption{Reason: "disk", Owner: "bob", Until: until}
	}
	waiver := func(invariant string, until time.Time) facts.Exemption {
		return facts.Exemption{Invariant: invariant, Reason: "known", Owner: "cid", Until: until}
	}
	web, db, host := "web.service", "db.service", "host"
	cases := map[string]struct {
		running  string // METADATA
		settings []string
		given    map[string]facts.Exemption
		want     []string // "SUBJECT OWNER REASON" of waived findings
	}{
		"nothing":                           {"running: true", nil, nil, nil},
		"a waiver":                          {"running: false", nil, map[string]facts.Exemption{web: waiver("loaded", later)}, []string{"web.service cid known"}},
		"of the host":                       {"running: false", nil, map[string]facts.Exemption{host: waiver("loaded", later)}, []string{"host cid known"}},
		"of another invariant":              {"running: true", nil, map[string]facts.Exemption{web: waiver("other", later)}, nil},
		"no pattern":                        {"running: true", nil, map[string]facts.Exemption{web: waiver("*", later)}, nil},
		"ended just now":                    {"running: true", nil, map[string]facts.Exemption{web: waiver("loaded", now), db: hold(now)}, nil},
		"in force for a blink":              {"running: true", nil, map[string]facts.Exemption{web: hold(now.Add(1))}, []string{"web.service bob held: disk"}},
		"a hold":                            {"running: true", nil, map[string]facts.Exemption{web: hold(later)}, []string{"web.service bob held: disk"}},
		"a hold covers running alone":       {"running: false", nil, map[string]facts.Exemption{web: hold(later)}, nil},
		"of what is not said to be":         {"", nil, map[string]facts.Exemption{web: hold(later)}, nil},
		"the settings' one ends later":      {"running: true", []string{"loaded * ada 2026-03-01T00:00:00Z"}, map[string]facts.Exemption{web: hold(later)}, []string{"db.service ada known", "web.service ada known"}},
		"the settings' one ends earlier":    {"running: true", []string{"loaded web.service ada 2026-01-03T00:00:00Z"}, map[string]facts.Exemption{web: hold(later)}, []string{"web.service bob held: disk"}},
		"the watch over waivers stays open": {"running: true", nil, map[string]facts.Exemption{web: waiver("waivers_current", later)}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			folder := waiving(c.settings...)
			if c.settings == nil {
				delete(folder, "settings.yaml")
			}
			rule := string(folder[fixture.RuleFile].Data)
			if c.running != "" {
				rule = strings.Replace(rule, "#   class:", "#   "+c.running+"\n#   class:", 1)
			}
			folder[fixture.RuleFile].Data = []byte(rule)
			doc := document("db.service", "web.service")
			doc.History.Exemptions = exempting(c.given, host)
			for i := range doc.Units {
				doc.Units[i].History = &facts.History{Exemptions: exempting(c.given, doc.Units[i].Name)}
			}
			var got []string
			for _, d := range decide(t, load(t, folder, Options{}), doc) {
				if d.Waiver != nil {
					got = append(got, d.Subject+" "+d.Waiver.Owner+" "+d.Waiver.Reason)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func exempting(given map[string]facts.Exemption, subject string) []facts.Exemption {
	if e, ok := given[subject]; ok {
		return []facts.Exemption{e}
	}
	return nil
}
