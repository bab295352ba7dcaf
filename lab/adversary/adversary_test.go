package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/programs"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// program is the path of the stackpolicy program under test.
var program string

func TestMain(m *testing.M) {
	os.Exit(programs.Main(m, &program))
}

func newCampaign(t *testing.T, options usermanager.Options, wrapper string) *campaign {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: files of root's and of the account's are one here; run it as root")
	}
	c := &campaign{program: program, wrapper: wrapper, options: options, log: t.Output(), counts: counts{}}
	t.Cleanup(c.close)
	return c
}

// shortRun is how long the attackers of TestAdversary have, all together.
const shortRun = 12 * time.Second

// TestAdversary lets each attacker do a few episodes: the first of all attackers are always
// the same, later ones are of a seed that is new each time.
func TestAdversary(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		c := newCampaign(t, options, "")
		start, seed := time.Now(), rand.Uint64N(1_000_000)
		for i := 0; i < len(attackers) || time.Since(start) < shortRun; i++ {
			this := uint64(i)
			if i >= len(attackers) {
				this += seed
			}
			f, err := c.episode(t.Context(), attackers[i%len(attackers)], this)
			if err != nil {
				t.Fatal(err)
			}
			if f != nil {
				t.Error(f)
			}
		}
		t.Logf("seed %d\n%s", seed, c.counts.table(time.Since(start)))
		if c.counts[auditStep] < 10 {
			t.Errorf("only %d audits", c.counts[auditStep])
		}
	})
}

// wrong are programs that break a promise. The steps show it.
var wrong = []struct {
	name, program string
	steps         []planned
	want          string
}{
	{
		"it reloads whatever it finds", `systemctl --user daemon-reload; exec "$@"`,
		[]planned{plants("web.service.d/evil1.conf", "[Unit]\nDescription=evil1\n"), {}}, "our reload brought in force: web.service: ",
	},
	{
		"all is well for it: something waits for a reload", alwaysGreen,
		[]planned{plants("web.service.d/evil1.conf", "[Unit]\nDescription=evil1\n"), {}}, "green, but after a reload web.service: ",
	},
	{
		"all is well for it: something is in force", alwaysGreen,
		[]planned{plants("web.service.d/evil1.conf", "[Unit]\nDescription=evil1\n"), reloads, {}}, "in force, and nothing is found about it: web.service: ",
	},
	{
		"all is well for it: something is stopped", alwaysGreen,
		[]planned{stops("helper.service"), {}}, "green, but helper.service does not run",
	},
	{
		"it starts what is stopped", `systemctl --user start helper.service; exec "$@"`,
		[]planned{stops("helper.service"), {}}, "the audit started helper.service",
	},
	{
		"it calls healed what is not", `echo '{"exit_code":0,"decisions":[{"invariant":"loaded_is_current","subject":"web.service","effect":"heal","outcome":"healed"}]}'`,
		[]planned{edits, {}}, "web.service is said to be healed, but runs",
	},
	{"it crashes", `echo "panic: oh" >&2; exit 2`, []planned{{}}, "the audit crashed"},
	{"it says nothing", `exit 0`, []planned{{}}, "status 0 without a report"},
	{"it says another status", `echo '{"exit_code":1}'; exit 0`, []planned{{}}, "status 0, but the report says 1"},
	{"it never finds an end", `echo '{"exit_code":1}'; exit 1`, nil, "all is cleaned up, and the third audit still finds something"},
}

const alwaysGreen = `echo '{"exit_code":0,"decisions":[]}'`

func does(name string, do func(*world) error) planned {
	return planned{step: step{name: name, do: func(w *world, _ *rand.Rand) error { return do(w) }}}
}

// plants writes a file into the user's unit folder.
func plants(path, text string) planned {
	return does("plant", func(w *world) error { w.victim(w.Unit("."), "evil1"); return w.put(w.Unit(path), text) })
}

func stops(unit string) planned {
	return does("stop", func(w *world) error { return w.systemctl("stop", unit) })
}

var (
	reloads = does("reload", func(w *world) error { return w.systemctl("daemon-reload") })
	edits   = does("edit", func(w *world) error { w.revision++; w.declare(); return w.Activate(w.declared) })
)

// TestTheOracle checks that programs that break a promise are found out.
func TestTheOracle(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		for _, p := range wrong {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				c := newCampaign(t, options, p.program)
				for i := range p.steps {
					if p.steps[i].do == nil {
						p.steps[i].name = auditStep
					}
				}
				f, err := c.play(t.Context(), home, 1, p.steps)
				if err != nil {
					t.Fatal(err)
				}
				if f == nil || !strings.Contains(strings.Join(f.what, "\n"), p.want) {
					t.Errorf("%v\nwant %q", f, p.want)
				}
			})
		}
	})
}

// TestShrink checks that the steps that are not needed are left out.
func TestShrink(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		c := newCampaign(t, options, alwaysGreen)
		audit := planned{step: step{name: auditStep}}
		f, err := c.play(t.Context(), home, 1, []planned{edits, reloads, plants("web.service.d/evil1.conf", "[Unit]\nDescription=evil1\n"), audit, audit})
		if err != nil || f == nil {
			t.Fatal(f, err)
		}
		c.shrink(t.Context(), f)
		if len(f.steps) != 2 || f.steps[0].name != "plant" || !f.least {
			t.Error(f)
		}
	})
}

// TestPlanIsOfItsSeed checks that an episode can be run again, and that the attackers of the
// threat model have steps.
func TestPlanIsOfItsSeed(t *testing.T) {
	for _, a := range attackers {
		if len(stepsOf(a)) < 4 {
			t.Errorf("%s has %d steps", a, len(stepsOf(a)))
		}
		if one, two := written(plan(a, 7)), written(plan(a, 7)); one != two || one == written(plan(a, 8)) {
			t.Errorf("%s: %s, %s", a, one, two)
		}
	}
}

func written(steps []planned) string {
	var s []string
	for _, p := range steps {
		s = append(s, fmt.Sprint(p.name, p.seed))
	}
	return strings.Join(s, " ")
}
