package decide

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/policies"
)

func TestSettings(t *testing.T) {
	rules := strings.Replace(fixture.Rule, `unit.loaded.load_state != "loaded"`, "unit.loaded\n\tunit.name in data.settings.restart\n\tdata.settings.trust_distribution_dropins", 1)
	fsys := fixture.WithRule(rules)
	fsys["settings.yaml"] = &fstest.MapFile{Data: []byte("settings:\n  restart: [web.service]\n  trust_distribution_dropins: true\n")}
	p := load(t, fsys, Options{})
	if s := p.Settings(); !slices.Equal(s.Restart, []string{"web.service"}) || !s.TrustDistributionDropins {
		t.Errorf("got %+v", s)
	}
	got := shape(decide(t, p, document("db.service", "web.service")))
	want := "db.service | allow |  | the unit is loaded\nweb.service | block | page | not loaded"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestBuiltinPoliciesLoad(t *testing.T) {
	p, err := Load(t.Context(), policies.FS, Options{Name: "policies"})
	if err != nil {
		t.Fatalf("\n%v", err)
	}
	trusted, err := Load(t.Context(), policies.FS, Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	doc := document("a.service", "b.service")
	if got, want := shape(decide(t, trusted, doc)), shape(decide(t, p, doc)); got != want {
		t.Errorf("trusted decides:\n%s\nchecked decides:\n%s", got, want)
	}
}
