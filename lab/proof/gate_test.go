package proof

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// gated has the fields of a gate's result that the tests read.
type gated struct {
	ExitCode int `json:"exit_code"`
	WaitedMS int `json:"waited_ms"`
	Before   struct{ From, Generation string }
	After    struct{ Generation string }
	Waiting  []struct{ Subject, Reason string }

	Worse, Undecided, Remaining, Gone, Coming []struct{ Invariant, Subject, Change, Explain string }
}

// gate runs stackpolicy gate and checks its exit status and what it says is worse, as "subject
// invariant change".
func (s *stage) gate(what string, exit int, worse []string, args ...string) gated {
	s.t.Helper()
	argv := slices.Insert(slices.Clone(args), 1, "-o", "json", "--settle", "400ms")
	r := s.Stackpolicy(s.t.Context(), append([]string{"gate"}, argv...)...)
	var out gated
	if err := json.Unmarshal([]byte(r.Out), &out); err != nil {
		s.t.Fatalf("%s: status %d, no result: %v\n%s%s", what, r.Code, err, r.Out, r.Err)
	}
	got := []string{}
	for _, w := range out.Worse {
		got = append(got, w.Subject+" "+w.Invariant+" "+w.Change)
	}
	slices.Sort(got)
	if r.Code != exit || !slices.Equal(got, append([]string{}, worse...)) {
		s.t.Errorf("%s: status %d and worse %q, want %d and %q\n%s%s", what, r.Code, got, exit, worse, r.Out, r.Err)
	}
	return out
}

// begin begins a gate.
func (s *stage) begin(args ...string) {
	s.t.Helper()
	if r := s.Stackpolicy(s.t.Context(), append([]string{"gate", "begin"}, args...)...); r.Code != 0 {
		s.t.Fatalf("gate begin: status %d\n%s%s", r.Code, r.Out, r.Err)
	}
}

// dependent is a daemon with one that requires it; default.target wants both.
var dependent = map[string]string{
	unit("db.service"):                         "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 600\n",
	unit("needs.service"):                      "[Unit]\nRequires=db.service\nAfter=db.service\nStartLimitIntervalSec=0\n" + daemon,
	unit("default.target.wants/db.service"):    "-> ../db.service",
	unit("default.target.wants/needs.service"): "-> ../needs.service",
}

// TestGate switches generations as deployment tools do, well and badly.
func TestGate(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, dependent)
		s.systemctl("start", "db.service", "needs.service")
		next := func(text string) {
			t.Helper()
			changed := map[string]string{}
			for path, old := range dependent {
				changed[path] = old
			}
			changed[unit("db.service")] = text
			s.do(s.Activate(changed))
			s.reload()
		}

		s.want("before", s.eval(), 0) // the memory has it
		next("[Service]\nExecStart=/bin/sleep 601\n")
		s.systemctl("restart", "db.service")
		old := s.gate("a good switch, and no begin", 0, nil, "end")
		if old.Before.From != "memory" || old.Before.Generation == old.After.Generation {
			t.Errorf("compared with %+v", old.Before)
		}

		s.begin()
		next("[Service]\nExecStart=/bin/sleep 602\n")
		s.systemctl("stop", "db.service")
		s.systemctl("start", "db.service")
		stopped := []string{"needs.service wanted_is_running new"}
		bad := s.gate("a dependent that was left stopped", 2, stopped, "end")
		if bad.Before.From != "begin" || len(bad.Worse) != 1 || bad.Worse[0].Explain != "stackpolicy explain needs.service wanted_is_running" {
			t.Errorf("it says %+v", bad)
		}
		s.gate("again", 2, stopped, "end")
		s.begin("--name", "mended")
		s.systemctl("start", "needs.service")
		s.gate("mended", 0, nil, "end")
		s.systemctl("stop", "db.service")
		s.systemctl("start", "db.service")

		s.begin()
		s.gate("what was so before does not count", 0, nil, "end")
		s.systemctl("start", "needs.service")
		if r := s.gate("better than before", 0, nil, "end", "--name", "mended"); len(r.Gone) != 1 {
			t.Errorf("gone: %+v", r.Gone)
		}

		s.gate("a command that does both", 2, stopped, "run", "--", "/bin/sh", "-c", "systemctl --user stop db.service; systemctl --user start db.service")
	})
}

// TestGateWaits: what has not come to its end is waited for, or it cannot be told.
func TestGateWaits(t *testing.T) {
	t.Parallel()
	s := open(t, usermanager.Options{}, map[string]string{
		unit("slow.service"):                      "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'until [ -e %h/go ]; do sleep 0.1; done; [ ! -e %h/fails ]'\n",
		unit("default.target.wants/slow.service"): "-> ../slow.service",
	})
	s.do(s.Write(s.Home+"/go", ""))
	s.systemctl("start", "slow.service")
	s.do(os.Remove(s.Home + "/go"))
	s.begin()
	s.systemctl("restart", "--no-block", "slow.service")
	r := s.gate("a start that does not end", 3, nil, "end", "--wait", "1s")
	if len(r.Waiting) != 1 || r.Waiting[0].Subject != "slow.service" || r.Waiting[0].Reason != "is starting" {
		t.Errorf("waiting for %v", r.Waiting)
	}
	s.later(700*time.Millisecond, func() error { return s.Write(s.Home+"/go", "") })
	if r = s.gate("it ends well", 0, nil, "end"); r.WaitedMS < 700 {
		t.Errorf("it waited for %d ms", r.WaitedMS)
	}
	s.do(errors.Join(os.Remove(s.Home+"/go"), s.Write(s.Home+"/fails", "")))
	s.begin()
	s.systemctl("restart", "--no-block", "slow.service")
	s.later(700*time.Millisecond, func() error { return s.Write(s.Home+"/go", "") })
	s.gate("it fails in the end", 2, []string{"slow.service unit_not_failed new"}, "end")

	// An image whose health check never succeeds: first there is no result, then a bad one.
	sick := func(health string) []scene.Container {
		all := scene.Containers()
		all[0].Health = health
		return all
	}
	s.begin("--replace")
	s.do(s.Podman(sick("starting")...))
	s.gate("no result yet", 3, nil, "end", "--wait", "1s")
	s.later(700*time.Millisecond, func() error { return s.Podman(sick("unhealthy")...) })
	s.gate("never healthy", 2, []string{"web.service stack_running new"}, "end")
	s.do(s.Podman(scene.Containers()...))
}

// later does something in a while; the test fails if that does.
func (s *stage) later(after time.Duration, do func() error) {
	done := make(chan error, 1)
	go func() { time.Sleep(after); done <- do() }()
	s.t.Cleanup(func() { s.do(<-done) })
}

// TestGateRunFails: the exit status of a command that failed is passed on, and one that is
// interrupted is left to end.
func TestGateRunFails(t *testing.T) { systems.Each(t, testGateRunFails) }

func testGateRunFails(t *testing.T, options usermanager.Options) {
	s := open(t, options, dependent)
	s.systemctl("start", "db.service", "needs.service")
	stopped := []string{"db.service wanted_is_running new", "needs.service wanted_is_running new"}
	r := s.gate("a command that fails", 7, stopped, "run", "--", "/bin/sh", "-c", "systemctl --user stop db.service; exit 7")
	if r.ExitCode != 2 {
		t.Errorf("its result has exit code %d", r.ExitCode)
	}
	s.gate("one that a signal ends", 143, nil, "run", "--", "/bin/sh", "-c", "kill -TERM $$")
	s.systemctl("start", "db.service", "needs.service")

	for signal, status := range map[string]int{"INT": 130, "TERM": 3} {
		r := s.signalled(signal, `[ -e began ]`, "run", "--", "/bin/sh", "-c", "trap 'sleep 0.3; : >ended; exit 0' INT TERM; : >began; while :; do sleep 0.05; done")
		if _, err := os.Stat(s.Home + "/ended"); err != nil || r.Code != status || !strings.Contains(r.Err, "nothing was compared") || r.Out != "" {
			t.Errorf("SIG%s: status %d, want %d; the command's end: %v\n%s%s", signal, r.Code, status, err, r.Out, r.Err)
		}
		s.do(errors.Join(os.Remove(s.Home+"/began"), os.Remove(s.Home+"/ended")))
	}

	// An interrupt while it waits leaves the gate open.
	s.begin()
	s.systemctl("stop", "needs.service")
	lock := ".local/state/stackpolicy/gate/default.lock"
	s.do(os.Remove(s.Home + "/" + lock))
	if r := s.signalled("INT", "[ -s "+lock+" ]", "end", "--settle", "1m"); r.Code != 130 || r.Out != "" {
		t.Errorf("interrupted while it waits: status %d\n%s%s", r.Code, r.Out, r.Err)
	}
	s.gate("afterwards", 2, []string{"needs.service wanted_is_running new"}, "end")
}

// signalled runs stackpolicy gate and sends it a signal once a condition is met.
func (s *stage) signalled(signal, when string, args ...string) scene.Result {
	s.t.Helper()
	script := `"$@" & pid=$!; for i in $(seq 200); do ` + when + ` && break; sleep 0.05; done; kill -` + signal + ` $pid; wait $pid`
	return s.Do(s.Command(s.t.Context(), append([]string{"/bin/sh", "-c", script, "sh", "stackpolicy", "gate"}, args...)...))
}

// TestGateRefuses: what a gate cannot compare is said, with what to do.
func TestGateRefuses(t *testing.T) {
	t.Parallel()
	s := open(t, usermanager.Options{}, nil)
	refused := func(words string, args ...string) {
		t.Helper()
		r := s.Stackpolicy(t.Context(), append([]string{"gate"}, args...)...)
		if r.Code != 3 || !strings.Contains(r.Err, words) {
			t.Errorf("%v: status %d, %q; want 3 and %q", args, r.Code, r.Err, words)
		}
	}
	refused("there was no audit yet; begin before the change: stackpolicy gate begin", "end")
	s.eval()
	refused("or say when it was (--changed 10m)", "end")
	s.begin()
	refused("forget it (--replace)", "begin")
	refused("is wrong: letters", "begin", "--name", "../../x")
	s.begin("--replace")
	state := s.Home + "/.local/state/stackpolicy/gate/default.json"
	kept, err := os.ReadFile(state)
	s.do(err)
	for _, c := range []struct{ key, value, words string }{
		{"begun_at", "2020-01-01T00:00:00Z", "which is more than 24h; begin again before the change: stackpolicy gate begin"},
		{"boot", "another", "before this boot; begin again"},
	} {
		var fields map[string]any
		s.do(json.Unmarshal(kept, &fields))
		fields[c.key] = c.value
		text, err := json.Marshal(fields)
		s.do(errors.Join(err, s.Write(state, string(text))))
		refused(c.words, "end")
	}
	refused("/nowhere/program", "run", "--", "/nowhere/program")
	s.do(s.Write(s.Home+"/.config/stackpolicy/rules/main.rego", "no policy"))
	refused("/bin/touch was not run", "run", "--policy", s.Home+"/.config/stackpolicy/rules", "--", "/bin/touch", s.Home+"/ran")
	if _, err := os.Stat(s.Home + "/ran"); err == nil {
		t.Error("the command was run")
	}
}
