package stack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
)

// answersLater is a service that answers 503 to the first requests.
func answersLater(t *testing.T, refusals int64) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= refusals {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// probing is the stack web with a probe, which verify has three seconds for.
func (w *world) probing(url string) Stack {
	return w.web(func(s *config.Stack) {
		s.Verify = config.Verify{Timeout: 3 * time.Second, Settle: 300 * time.Millisecond}
		s.Probes = []config.Probe{{HTTP: url, Status: 200, Within: time.Second}}
	})
}

// A stack whose containers run is not up before its probes answer.
func TestVerifyWaitsForProbes(t *testing.T) {
	testIn(t, "until it answers", func(t *testing.T, w *world) {
		url, asked := answersLater(t, 2)
		want(t, w.watch(t.Context(), w.watching(w.probing(url), app, at(0, one("app", "running")))), Verified)
		if n := asked.Load(); n < 3 {
			t.Errorf("asked %d times", n)
		}
		if got := strings.Join(w.waited, "\n"); !strings.Contains(got, "waiting for "+url+" wrong-status") {
			t.Errorf("progress: %s", got)
		}
	})
	testIn(t, "in vain", func(t *testing.T, w *world) {
		url, _ := answersLater(t, 1<<40)
		want(t, w.watch(t.Context(), w.watching(w.probing(url), app, at(0, one("app", "running")))),
			NotInTime, url+" wrong-status", "web.service: "+url+": status 503, expected status 200 within 1s")
	})
}

// Probes of other stacks are not waited for.
func TestVerifyAsksItsOwnProbes(t *testing.T) {
	w := newWorld(t)
	url, asked := answersLater(t, 1<<40)
	s, other := w.web(nil), w.probing(url)
	w.Env.Config.Stacks = map[string]config.Stack{"web": s.Stack, "other": other.Stack}
	stacks := newWatcher(w.Env, w.Podman.Watch(), rules{w.Policies}, s, app).env.Config.Stacks
	if len(stacks["other"].Probes) != 0 || len(w.Env.Config.Stacks["other"].Probes) != 1 {
		t.Errorf("the watcher has %+v, the configuration %+v", stacks["other"].Probes, w.Env.Config.Stacks["other"].Probes)
	}
	w.Env.Config.Stacks["web"] = other.Stack
	if n := len(newWatcher(w.Env, w.Podman.Watch(), rules{w.Policies}, other, app).env.Config.Stacks["web"].Probes); n != 1 || asked.Load() != 0 {
		t.Errorf("the watcher has %d probes of its own stack", n)
	}
}

// status does not call a stack up that does not answer.
func TestStatusAsksProbes(t *testing.T) {
	w := newWorld(t)
	u := document("active").Units[0]
	u.Containers = []facts.Container{{Name: "web_app", Service: "app", State: "running"}}
	for state, probe := range map[string]facts.Probe{
		"up":       {Kind: "tcp", Target: "127.0.0.1:80", OK: true},
		"degraded": {Kind: "tcp", Target: "127.0.0.1:80", Error: "connection refused", Expected: "a connection within 2s"},
	} {
		u.Probes = []facts.Probe{probe}
		doc := document("active")
		doc.Units = []facts.Unit{u}
		st, err := statusOf(t.Context(), rules{w.Policies}, w.web(nil), doc, nil)
		if err != nil || st.State != state {
			t.Errorf("got %s, %v, %q; want %s", st.State, err, st.Problems, state)
		}
		if explains := strings.HasSuffix(st.Hint, "explain web.service probes_answer"); explains != (state == "degraded") {
			t.Errorf("%s: the hint is %q", state, st.Hint)
		}
	}
}
