package audit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

func TestUnits(t *testing.T) {
	p := builtin(t)
	cases := map[string]struct {
		units    []string
		findings []string
		actions  []string
		exit     int
	}{
		"all":              {nil, []string{stale + "planned"}, []string{"daemon-reload host planned"}, 1},
		"the one":          {[]string{"web.service"}, []string{stale + "planned"}, []string{"daemon-reload host planned"}, 1},
		"without a suffix": {[]string{"web"}, []string{stale + "planned"}, []string{"daemon-reload host planned"}, 1},
		"another":          {[]string{"files.service"}, []string{}, []string{}, 0},
		"the host":         {[]string{"host"}, []string{}, []string{}, 0},
		"both, one twice":  {[]string{"files", "web", "web.service"}, []string{stale + "planned"}, []string{"daemon-reload host planned"}, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := observed(t, p, recorded(t, "stale"), c.units...)
			want(t, r, c.exit, c.findings, c.actions)
			for _, d := range r.Decisions {
				if c.units != nil && !strings.Contains(strings.Join(c.units, " ")+".service", strings.TrimSuffix(d.Subject, ".service")) {
					t.Errorf("%s was not asked for", d.Subject)
				}
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		_, err := Audit{Source: file(recorded(t, "stale")), Load: loaded(p), Units: []string{"web.service", "wbe"}}.Run(t.Context())
		if want := `"wbe" is not managed; did you mean web.service? known: host, files.service, web.service`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
	t.Run("one that is gone and failed", func(t *testing.T) {
		doc := recorded(t, "good")
		doc.Manager.FailedNoFile = []string{"gone.service"}
		want(t, observed(t, p, doc, "gone"), 1, []string{"gone.service no_ghost_failure heal ticket planned"}, []string{"reset-failed gone.service planned"})
	})
	t.Run("what could not be decided concerns every unit", func(t *testing.T) {
		want(t, observed(t, p, recorded(t, "gap"), "web"), 3, undecided(p, "", "podman", "storage", "units.containers"), []string{})
	})
}

// TestHealsOnlyWhatWasAskedFor, but findings that the action caused elsewhere are
// reported too.
func TestHealsOnlyWhatWasAskedFor(t *testing.T) {
	ghosts := recorded(t, "good")
	ghosts.Manager.FailedNoFile = []string{"a.service", "b.service"}
	after := recorded(t, "page")
	after.Manager.FailedNoFile = []string{"b.service"}
	m := &manager{}
	r := enforced(t, builtin(t), m, ghosts, after, "a")
	want(t, r, 2, []string{
		"a.service no_ghost_failure heal ticket healed",
		"web.service file_declared block page after reset-failed", "web.service loaded_is_current block ticket after reset-failed",
	}, []string{"reset-failed a.service done"})
	if d := cmp.Diff([]string{"reset-failed a.service"}, m.calls); d != "" {
		t.Errorf("calls of the manager -want +got\n%s", d)
	}
}

func TestNothingManagedIsNoPass(t *testing.T) {
	doc := recorded(t, "good")
	for i := range doc.Units {
		doc.Units[i].ManagedBy = ""
	}
	r := observed(t, builtin(t), doc)
	if r.ExitCode != 3 || len(r.Gaps) != 1 || !strings.Contains(r.Gaps[0].Error, "no unit is managed") {
		t.Errorf("exit code %d, gaps %+v", r.ExitCode, r.Gaps)
	}
}

func TestAPatternThatMatchesNothingIsNoPass(t *testing.T) {
	doc := recorded(t, "good")
	doc.Declared.Patterns = []facts.Pattern{{Pattern: "web.*", Matched: 1}, {Pattern: "lab-*.service"}}
	r := observed(t, builtin(t), doc)
	if d := cmp.Diff([]Gap{{"config", "units: the pattern lab-*.service matches no unit"}}, r.Gaps); r.ExitCode != 3 || d != "" {
		t.Errorf("exit code %d, gaps -want +got\n%s", r.ExitCode, d)
	}
}

func TestAHoldOfAnUnmanagedUnitIsNoPass(t *testing.T) {
	doc := recorded(t, "good")
	doc.Declared.IdleHolds = []string{"wbe.service"}
	r := observed(t, builtin(t), doc)
	if d := cmp.Diff([]Gap{{"config", "holds: wbe.service is not managed"}}, r.Gaps); r.ExitCode != 3 || d != "" {
		t.Errorf("exit code %d, gaps -want +got\n%s", r.ExitCode, d)
	}
}

func TestAnotherSchemaIsAnError(t *testing.T) {
	doc := recorded(t, "good")
	doc.Schema = "stackpolicy.facts/v0"
	if _, err := (Audit{Source: file(doc), Load: loaded(builtin(t))}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "facts/v0") {
		t.Errorf("got %v", err)
	}
}
