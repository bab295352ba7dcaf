package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/programs"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// program is the path of the stackpolicy program under test.
var program string

func TestMain(m *testing.M) {
	os.Exit(programs.Main(m, &program))
}

func newWalk(t *testing.T, options usermanager.Options) *walk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: files of root's and of the account's are one here; run it as root")
	}
	w := &walk{program: program, options: options, log: t.Output(), counts: counts{}, patience: time.Second}
	t.Cleanup(w.close)
	return w
}

// shortWalk is how long TestWalk goes on after its first steps.
const shortWalk = 12 * time.Second

// firstSteps is how many steps, with the comparisons, are always the same.
const firstSteps = 24

// TestWalk walks a little: the first steps are always the same. With STACKPOLICY_LAB_EACH=1 it
// goes on with those of a seed that is new each time.
func TestWalk(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		w := newWalk(t, options)
		seed := rand.Uint64N(1_000_000)
		begun := time.Now()
		play := func(seed uint64, steps []planned) {
			f, err := w.play(t.Context(), seed, steps)
			if err != nil {
				t.Fatal(err)
			}
			if f != nil {
				t.Error(f)
			}
		}
		play(1, plan(1, "")[:firstSteps])
		for i := uint64(0); debian.Each() && time.Since(begun) < shortWalk && !t.Failed(); i++ {
			play(seed+i, plan(seed+i, "")[:firstSteps])
		}
		t.Logf("seed %d\n%s", seed, w.table(time.Since(begun)))
		if w.counts["comparisons"] < 4 {
			t.Errorf("only %d comparisons", w.counts["comparisons"])
		}
	})
}

// TestTheComparison checks that a watch that believes something wrong is found out, and that
// the steps that are not needed are left out.
func TestTheComparison(t *testing.T) {
	if !debian.Each() {
		t.Skip("skipped: takes a minute of a busy machine; set STACKPOLICY_LAB_EACH=1")
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		w := newWalk(t, options)
		lie := planned{step: step{name: "lie", do: func(w *world, _ *rand.Rand) error {
			w.watch.note(line{about: about{"web.service", "made_up"}, state: state{Effect: "block", Severity: "page"}})
			return nil
		}}}
		reload := planned{step: step{name: "reload", do: func(w *world, _ *rand.Rand) error { return w.systemctl("daemon-reload") }}}
		f, err := w.play(t.Context(), 1, []planned{reload, lie, {step{name: compareStep}, 0}})
		if err != nil || f == nil || !strings.Contains(f.what, "web.service made_up + {block page false}") || !strings.Contains(f.what, "It was wrong after that, too.") || len(f.did) != 2 {
			t.Fatalf("%v, %v", f, err)
		}
		w.shrink(t.Context(), f)
		if len(f.steps) != 2 || f.steps[0].name != "lie" || !f.least {
			t.Error(f)
		}
	})
}

// TestPlanIsOfItsSeed checks that an episode can be run again.
func TestPlanIsOfItsSeed(t *testing.T) {
	if one, two := written(plan(7, "")), written(plan(7, "")); one != two || one == written(plan(8, "")) {
		t.Errorf("%s, %s", one, two)
	}
	if drops := written(plan(7, "drop-in")); !strings.Contains(drops, "drop-in") || strings.Contains(drops, "reload") {
		t.Errorf("only drop-ins: %s", drops)
	}
}

func written(steps []planned) string {
	var s []string
	for _, p := range steps {
		s = append(s, fmt.Sprint(p.name, p.seed))
	}
	return strings.Join(s, " ")
}
