package stack

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
)

var app = []facts.Service{{Name: "app", Containers: 1}}

// The settings that TestVerify works by.
const (
	timeout = 20 * time.Second
	settle  = 2 * time.Second
)

// restarting is a container that starts again three times in two seconds.
func restarting() (chapters []chapter) {
	for n := range 60 {
		chapters = append(chapters, at(time.Duration(n)*700*time.Millisecond, one("app", "running", restarts(n))))
	}
	return chapters
}

// TestVerify checks how verify ends, and when, by what podman answers meanwhile.
// Its clock stands still while it works, so the times are exact.
func TestVerify(t *testing.T) {
	migrate := []facts.Service{app[0], {Name: "migrate", Containers: 1, OneShot: true}}
	checked := []facts.Service{{Name: "app", Containers: 1, HealthCheck: true}}
	up := one("app", "running")
	cases := []struct {
		name        string
		services    []facts.Service
		chapters    []chapter
		want        Outcome
		least, most time.Duration
		words       string
	}{
		{"settles", app, []chapter{at(0, up)}, Verified, settle, 3 * time.Second, "its one service is up after 2"},
		{"healthy later", checked, []chapter{
			at(0, one("app", "running", health("starting"))), at(3*time.Second, one("app", "running", health("healthy"))),
		}, Verified, 5 * time.Second, 7 * time.Second, ""},
		{"a check that the provider has yet to set up", checked, []chapter{at(0, up)}, NotInTime, timeout, timeout, "app starting"},
		{"starts again while it settles", app, []chapter{at(0, up), at(time.Second, one("app", "running", restarts(1)))},
			Verified, time.Second + settle, 5 * time.Second, ""},
		{"starts again within the second", app, []chapter{at(0, up), at(time.Second, one("app", "running", func(c *podman.Container) { c.StartedAt = birth.Add(1) }))},
			Verified, time.Second + settle, 5 * time.Second, ""},
		{"made anew while it settles", app, []chapter{at(0, up), at(time.Second, one("app", "running", func(c *podman.Container) { c.ID = strings.Repeat("e", 64) }))},
			Verified, time.Second + settle, 5 * time.Second, ""},
		{"goes while it settles", app, []chapter{at(0, up), at(time.Second)}, NotInTime, timeout, timeout, "app missing"},
		{"starts again for ever", app, restarting(), ServiceDown, timeout, timeout, "app restarted"},
		{"a one-shot takes its time", migrate, []chapter{at(0, up, one("migrate", "running")), at(4*time.Second, up, one("migrate", "exited"))},
			Verified, 4*time.Second + settle, 8 * time.Second, "all 2 services are up"},
		{"a one-shot takes for ever", migrate, []chapter{at(0, up, one("migrate", "running"))}, NotInTime, timeout, timeout, "migrate not-done"},
		{"a one-shot fails", migrate, []chapter{at(0, up, one("migrate", "exited", exit(3)))},
			ServiceDown, firstPause, firstPause, "web.service: container web_migrate has exited (3)"},
		{"ends, and nothing starts it again", app, []chapter{at(0, up), at(time.Second, one("app", "exited", restartPolicy("no"), exit(1)))},
			ServiceDown, time.Second, 4 * time.Second, "failed after"},
		{"ended at one look alone", app, []chapter{at(0, one("app", "exited")), at(100*time.Millisecond, up)}, Verified, settle, 4 * time.Second, ""},
		{"ends, and is to start again", app, []chapter{at(0, one("app", "exited", restartPolicy("always"), exit(1)))}, ServiceDown, timeout, timeout, "app exited"},
		{"unhealthy", checked, []chapter{at(0, one("app", "running", health("unhealthy")))}, ServiceDown, timeout, timeout, "app unhealthy"},
		{"starting", checked, []chapter{at(0, one("app", "running", health("starting")))}, NotInTime, timeout, timeout, "not up after 20s: app starting"},
		{"up too late", checked, []chapter{
			at(0, one("app", "running", health("starting"))), at(19*time.Second, one("app", "running", health("healthy"))),
		}, NotInTime, timeout, timeout, "not up for long enough after 20s: app starting"},
		{"fewer containers than it should have", []facts.Service{{Name: "app", Containers: 2}}, []chapter{at(0, up)}, NotInTime, timeout, timeout, "1 of 2 containers"},
		{"podman hangs", app, []chapter{{hangs: true}}, CannotLook, timeout, timeout + podmanLimit, "podman"},
		{"podman hangs, and then does not", app, []chapter{{hangs: true}, at(7*time.Second, up)}, Verified, 7*time.Second + settle, 15 * time.Second, ""},
		{"podman fails while it settles", app, []chapter{at(0, up), {from: time.Second, err: errors.New("no space")}, at(3*time.Second, up)},
			Verified, 3*time.Second + settle, 8 * time.Second, ""},
		{"podman answers at the end alone", app, []chapter{{err: errors.New("no space")}, at(19500*time.Millisecond, up)},
			NotInTime, timeout, timeout, "not up for long enough after 20s"},
	}
	for _, c := range cases {
		testIn(t, c.name, func(t *testing.T, w *world) {
			w.write("log", "", 0o644)
			s := w.web(func(s *config.Stack) { s.Verify = config.Verify{Timeout: timeout, Settle: settle} })
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				want(t, w.watch(t.Context(), w.watching(s, c.services, c.chapters...)), c.want, c.words)
				if took := time.Since(begin); took < c.least || took > c.most {
					t.Errorf("it took %v, want %v to %v", took, c.least, c.most)
				}
			})
		})
	}
}

// What the configuration does not ask for is not waited for.
func TestVerifyWithoutHealth(t *testing.T) {
	w := newWorld(t)
	s := w.web(func(s *config.Stack) { s.Verify.Healthy = new(bool) })
	synctest.Test(t, func(t *testing.T) {
		for _, word := range []string{"starting", "unhealthy"} {
			want(t, w.watch(t.Context(), w.watching(s, app, at(0, one("app", "running", health(word))))), Verified)
		}
	})
}

func TestVerifyToldToStop(t *testing.T) {
	w := newWorld(t)
	s := w.web(func(s *config.Stack) { s.Verify.Timeout = timeout })
	for name, c := range map[string]chapter{"starting": at(0, one("app", "running", health("starting"))), "podman hangs": {hangs: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				want(t, w.watch(ctx, w.watching(s, app, c)), VerifyCut, "asked to stop after 3s", "TimeoutStartSec= of web.service")
			})
		})
	}
	if got := strings.Join(w.waited, "\n"); !strings.Contains(got, "2s of 20s: waiting for app starting") {
		t.Errorf("progress: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, w.Verify(ctx, s, 0), VerifyCut)
}

// Verify quotes the container as it is; who prints it makes it harmless.
func TestVerifyExplains(t *testing.T) {
	w := newWorld(t)
	w.contains(container{"app", "running"})
	w.write("log", "one\n\x1b[2Jtwo "+strings.Repeat("x", 2*shownOfLine)+"\n", 0o644)
	w.write("inspect.json", `[{"Id":"`+one("app", "").ID+`","State":{"Health":{"Status":"unhealthy","Log":[`+
		`{"Start":"2026-01-01T00:00:00Z","End":"2026-01-01T00:00:01Z","ExitCode":7,"Output":"no answer\n"}]}}}]`, 0o644)
	s := w.web(nil)
	synctest.Test(t, func(t *testing.T) {
		r := w.watch(t.Context(), w.watching(s, app, at(0, one("app", "running", health("unhealthy")))))
		want(t, r, ServiceDown, "container web_app runs, but is not healthy", "health check 00:00:01 exited 7: no answer",
			"log: one", "log: \x1b[2Jtwo x", "…", "systemctl --user restart web.service")
		for _, d := range r.Details {
			if len(d) > shownOfLine+20 {
				t.Errorf("a detail of %d bytes", len(d))
			}
		}
	})
}

// An operator's rule is what verify asks, also one that names no case.
func TestVerifyAsksOperatorsRules(t *testing.T) {
	cases := []struct {
		name, body string
		want       Outcome
		words      []string
	}{
		{"finds nothing", "\tunit.loaded.active_state == \"failed\"\n\tmessage := \"never\"\n", Verified, nil},
		{"finds something else", "\tcount(unit.containers) < 2\n\tmessage := \"one is none\"\n", NotInTime,
			[]string{"not up after 2s: web.service", "one is none"}},
		{"cannot tell", "\tmessage := sprintf(\"%d\", [to_number(unit.name)])\n", CannotLook, []string{"could not be determined for 2s", "to_number"}},
	}
	for _, c := range cases {
		testIn(t, c.name, func(t *testing.T, w *world) {
			w.rules(ruled(c.body))
			s := w.web(nil)
			synctest.Test(t, func(t *testing.T) {
				want(t, w.watch(t.Context(), w.watching(s, app, at(0, one("app", "running")))), c.want, c.words...)
			})
		})
	}
}

func TestVerifyNeedsItsRule(t *testing.T) {
	w := newWorld(t)
	w.rules("")
	want(t, w.Verify(t.Context(), w.web(nil), 0), Usage, "no invariant stack_running", "stackpolicy policy copy")
}

func TestVerifyNeedsComposeFiles(t *testing.T) {
	w := newWorld(t)
	want(t, w.Verify(t.Context(), w.web(func(s *config.Stack) { s.Compose = nil }), 0), Usage, "stacks.web.compose of config.yaml")
	w.write("compose.yaml", "services: [", 0o644)
	want(t, w.Verify(t.Context(), w.web(nil), 0), Usage, w.path("compose.yaml"))
}

// Where no manager answers nothing is known, and verify ends in time. A time
// that leaves none to settle makes no stack up.
func TestVerifyWithoutManager(t *testing.T) {
	w := newWorld(t)
	w.Env.Config = config.Config{Stacks: map[string]config.Stack{"web": w.web(nil).Stack}}
	for _, limit := range []time.Duration{time.Nanosecond, 300 * time.Millisecond} {
		want(t, w.Verify(t.Context(), w.web(nil), limit), CannotLook, "reach the user manager")
	}
}

// A manager that takes a call and never answers holds verify up for no longer
// than any last observation.
func TestVerifyWhereTheManagerHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bus, err := net.Listen("unix", w.path("bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	w.Env.BusAddress = "unix:path=" + w.path("bus")
	w.Env.Config = config.Config{Stacks: map[string]config.Stack{"web": w.web(nil).Stack}}
	begin := time.Now()
	want(t, w.Verify(t.Context(), w.web(nil), time.Second), CannotLook)
	if took := time.Since(begin); took < time.Second || took > lastObservation+5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// The outcome goes into the record of the apply that it is about, and of no
// other.
func TestVerifyRecords(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	w.Invocation = "first"
	want(t, w.apply(s), Applied)
	verify := func(invocation string) applied.Outcome {
		w.Invocation = invocation
		want(t, w.Verify(t.Context(), s, time.Millisecond), CannotLook)
		return w.record().Last
	}
	if last := verify("second"); last.Step != "apply" || last.Status != 0 {
		t.Errorf("another start's verify is recorded: %+v", last)
	}
	if last := verify("first"); last.Step != "verify" || last.Status != CannotLook.Status || last.Message == "" {
		t.Errorf("recorded %+v", last)
	}
	if r := w.record(); r.Invocation != "first" {
		t.Errorf("it is the record of %q now", r.Invocation)
	}
	want(t, w.apply(s), Applied)
	if last := verify(""); last.Step != "verify" {
		t.Errorf("a verify by hand is not recorded: %+v", last)
	}
}

// A verify without an apply before it leaves no record.
func TestVerifyWithoutRecord(t *testing.T) {
	w := newWorld(t)
	want(t, w.Verify(t.Context(), w.web(nil), time.Millisecond), CannotLook)
	if _, err := applied.Read(w.Env.StateHome, "web"); err == nil {
		t.Error("there is a record of an apply that never was")
	}
}
