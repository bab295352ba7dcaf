package stack

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stackpolicy/internal/compose"
)

const chain = `services:
  app: {image: localhost/app:1, depends_on: [db]}
  db: {image: localhost/app:1, stop_grace_period: 40s}
`

func (w *world) stopped() string {
	w.t.Helper()
	text, err := os.ReadFile(w.path("stopped"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	return string(text)
}

// Dependents end before what they need, each within its own grace period, and
// what has ended is left alone.
func TestDown(t *testing.T) {
	w := newWorld(t)
	w.write("compose.yaml", chain, 0o644)
	w.contains(container{"db", "running"}, container{"app", "running"}, container{"old", "exited"})
	want(t, w.Down(t.Context(), w.web(nil)), Stopped, "2 containers")
	app, db := strings.Repeat("0", 63)+"2", strings.Repeat("0", 63)+"1"
	if got, want := w.stopped(), "stop --ignore --time=10 -- "+app+"\nstop --ignore --time=40 -- "+db+"\n"; got != want {
		t.Errorf("stopped\n%swant\n%s", got, want)
	}
	if _, err := os.Stat(w.path("removed")); err == nil {
		t.Error("a container was removed")
	}
}

func TestDownOfAUnitsJob(t *testing.T) {
	cases := map[string]struct {
		job     string
		err     error
		outcome Outcome
		stops   bool
	}{
		"a restart":        {"restart", nil, LeftRunning, false},
		"a stop":           {"stop", nil, Stopped, true},
		"no job, by hand":  {"", nil, Stopped, true},
		"a silent manager": {"", errors.New("no bus"), DownFailed, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.manager.job, w.manager.err = c.job, c.err
			want(t, w.Down(t.Context(), w.web(nil)), c.outcome)
			if stops := w.stopped() != ""; stops != c.stops {
				t.Errorf("stopped: %q", w.stopped())
			}
		})
	}
}

// silent never answers.
type silent struct{ Manager }

func (silent) Job(ctx context.Context, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// A manager that does not answer does not hold up a stop until the unit's time is over.
func TestDownWithAManagerThatHangs(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	synctest.Test(t, func(t *testing.T) {
		w.Manager = silent{}
		begin := time.Now()
		want(t, w.Down(t.Context(), s), DownFailed)
		if took := time.Since(begin); took != jobLimit {
			t.Errorf("took %s", took)
		}
	})
}

// Compose files that cannot be read keep nothing running.
func TestDownWithoutComposeFiles(t *testing.T) {
	w := newWorld(t)
	w.write("compose.yaml", "no compose file", 0o644)
	want(t, w.Down(t.Context(), w.web(nil)), Stopped, "1 containers")
}

func TestStopOrder(t *testing.T) {
	service := func(name string, needs ...string) compose.Service {
		return compose.Service{Name: name, DependsOn: needs}
	}
	got := stopOrder([]compose.Service{service("app", "db", "cache"), service("cache"), service("db"), service("web", "app")})
	want := [][]string{{"web"}, {"app"}, {"cache", "db"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := stopOrder([]compose.Service{service("a", "b"), service("b", "a")}); len(got) != 1 || len(got[0]) != 2 {
		t.Errorf("a circle: %v", got)
	}
}

// A start that ends because its unit is stopped has not failed: systemd counts
// the exit status as a success (SuccessExitStatus=24). A signal of another
// process, or a time that is over, is a failure.
func TestAStartThatIsStopped(t *testing.T) {
	cases := map[string]struct {
		job            string
		err            error
		verify, before Outcome // of verify, and of preflight and apply
	}{
		"the unit is stopped":      {"stop", nil, UnitStopped, UnitStopped},
		"the unit is restarted":    {"restart", nil, UnitStopped, UnitStopped},
		"its time is over":         {"start", nil, VerifyCut, ApplyCut},
		"nothing is asked of it":   {"", nil, VerifyCut, ApplyCut},
		"the manager is not heard": {"", errors.New("no bus"), VerifyCut, ApplyCut},
	}
	for name, c := range cases {
		testIn(t, name, func(t *testing.T, w *world) {
			w.manager.job, w.manager.err = c.job, c.err
			s := w.web(nil)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			want(t, w.Preflight(ctx, s), c.before)
			want(t, w.Apply(ctx, s), c.before)
			want(t, w.Verify(ctx, s, 0), c.verify)
		})
	}
}

func TestShortStop(t *testing.T) {
	w := newWorld(t)
	w.write("compose.yaml", `services:
  app: {image: localhost/app:1, depends_on: [db, migrate]}
  db: {image: localhost/app:1, stop_grace_period: 1m}
  cache: {image: localhost/app:1, stop_grace_period: 20s}
  migrate: {image: localhost/app:1, restart: "no", stop_grace_period: 1h}
`, 0o644)
	w.contains()
	const note = "a stop may take 1m20s by the services' grace periods, and web.service has"
	cases := []struct {
		limit time.Duration
		err   error
		note  bool
	}{
		{79 * time.Second, nil, true}, {80 * time.Second, nil, false}, {-1, nil, false}, {0, errors.New("no manager"), false},
	}
	for _, c := range cases {
		w.manager.stopTimeout, w.manager.err = c.limit, c.err
		r := w.Preflight(t.Context(), w.web(nil))
		want(t, r, Ready)
		if got := strings.Contains(strings.Join(r.Details, "\n"), note); got != c.note {
			t.Errorf("%v, %v: %q", c.limit, c.err, r.Details)
		}
	}
}

// A provider that is a program gives a container ten seconds to stop, whatever the
// compose file says: apply stops what is replaced before it.
func TestApplyKeepsGraceWithAProvider(t *testing.T) {
	w := newWorld(t)
	w.write("up", "#!/bin/sh\n[ \"$1\" = version ] || [ -e $(dirname $0)/stopped ] || exit 1\n"+success, 0o755)
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, stop_grace_period: 40s}}\n", 0o644)
	s := w.web(nil)
	w.contains(container{"app", "running"})
	want(t, w.apply(s), ApplyFailed) // nothing changed, so nothing was stopped
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, stop_grace_period: 40s, hostname: other}}\n", 0o644)
	want(t, w.apply(s), Applied)
	if got := w.stopped(); !strings.Contains(got, "--time=40 ") {
		t.Errorf("stopped %q, want a grace period of 40 s", got)
	}
}
