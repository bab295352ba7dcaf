package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestWaiver checks that a waived heal is not run and does not count. After the waiver has
// expired the heal is run, and the waiver is a finding itself.
func TestWaiver(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := remembering(t, options, nil)
		before := s.reloads()
		waive := func(old string, until time.Time) (line string) {
			line = fmt.Sprintf("waivers: [{invariant: loaded_is_current, units: [web.service], reason: moving house, owner: ada, until: %s}]",
				until.UTC().Format(time.RFC3339))
			s.policies(old, line)
			return line
		}
		s.again()
		s.want("not waived", s.eval("--policy", s.rules()), 1, stale)
		waiver := waive("waivers: []", time.Now().Add(time.Hour))
		r := s.enforce()
		s.want("waived", r, 0, "web.service loaded_is_current stale heal/ticket")
		if len(r.Actions) > 0 || s.reloads() != before {
			t.Errorf("a waived heal was run: %v", r.actions())
		}
		waive(waiver, time.Now().Add(-time.Hour))
		s.want("expired", s.enforce(), 1, healed, "host waivers_current expired block/ticket")
		if n := s.reloads() - before; n != 1 {
			t.Errorf("%d reloads once it had expired, want 1", n)
		}
	})
}

// receiver is a webhook that the test can stop.
type receiver struct {
	*http.Server
	address string
	token   string        // that requests must bring; "" for none
	held    chan struct{} // requests wait until it is closed; nil for no wait
	mutex   sync.Mutex
	alerts  []string // kind and finding of each
}

func (w *receiver) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	if w.token != "" && r.Header.Get("Authorization") != "Bearer "+w.token {
		answer.WriteHeader(http.StatusUnauthorized)
		return
	}
	if w.held != nil {
		<-w.held
	}
	var a struct{ Kind, Invariant, Subject string }
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		a.Kind = err.Error()
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.alerts = append(w.alerts, strings.Join([]string{a.Kind, a.Invariant, a.Subject}, " "))
}

// newAlerts returns the alerts that arrived since the last call.
func (w *receiver) newAlerts() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	alerts := w.alerts
	w.alerts = nil
	return alerts
}

// serve starts a webhook at an address.
func (s *stage) serve(address string) *receiver {
	s.t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(s.t.Context()), "tcp", address)
	s.do(err)
	w := &receiver{address: listener.Addr().String()}
	w.Server = &http.Server{Handler: w, ReadHeaderTimeout: time.Second}
	go func() { _ = w.Serve(listener) }()
	s.t.Cleanup(func() { _ = w.Close() })
	return w
}

// TestWebhook checks that a webhook and the journal receive each page once, again after a
// while, and when it is gone. An alert that could not be sent is sent by a later audit, and
// never changes a verdict.
func TestWebhook(t *testing.T) {
	const page = "file_declared files.service"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		hook := (&stage{t: t}).serve("127.0.0.1:0")
		s := remembering(t, options, map[string]string{".config/stackpolicy/config.yaml": "stacks: {web: {}, files: {}, feeds: {}}\n" +
			"alerts: {webhooks: [{name: phone, url: 'http://" + hook.address + "', repeat: 1h}]}\n"})
		link := s.Unit("files.service")
		target, err := os.Readlink(link)
		s.do(err)
		audit := func(what string, exit int, want ...string) (said string) {
			t.Helper()
			r := s.Stackpolicy(t.Context(), "eval", "--policy", s.rules())
			if d := cmp.Diff(want, slices.DeleteFunc(hook.newAlerts(), func(a string) bool { return !strings.Contains(a, page) })); d != "" {
				t.Errorf("%s: alerts -want +got\n%s", what, d)
			}
			if r.Code != exit {
				t.Errorf("%s: exit status %d, want %d", what, r.Code, exit)
			}
			return r.Err
		}
		audit("in order", 0)
		s.do(os.Remove(link))
		audit("gone", 2, "firing "+page)
		audit("still gone", 2)
		s.elapse(3500)
		audit("not yet an hour later", 2)
		s.elapse(200)
		audit("an hour later", 2, "repeat "+page)
		s.do(s.Link(target, link))
		audit("back", 0)
		s.elapse(600)
		audit("ten minutes later", 0, "resolved "+page)

		s.do(hook.Close())
		s.do(os.Remove(link))
		if said := audit("nobody listens", 2); !strings.HasPrefix(said, "stackpolicy: alerts to webhook:phone: ") || strings.Count(said, "\n") != 1 {
			t.Errorf("nobody listens: standard error says %q", said)
		}
		hook = s.serve(hook.address)
		audit("too early to try again", 2)
		s.elapse(61)
		audit("tried again", 2, "firing "+page)
		journal := []string{}
		for _, e := range s.Journal() {
			if e["STACKPOLICY_INVARIANT"] == "file_declared" {
				journal = append(journal, strings.Join([]string{e["PRIORITY"], e["STACKPOLICY_KIND"], e["USER_UNIT"]}, " "))
			}
		}
		want := []string{"2 firing files.service", "5 resolved files.service", "2 firing files.service"}
		if d := cmp.Diff(want, journal); d != "" {
			t.Errorf("journal -want +got\n%s", d)
		}

		undo := s.protect()
		audit("it cannot be recorded that the alert was sent", 2, "firing "+page)
		audit("nor again", 2, "firing "+page)
		undo()
		audit("it is known from before", 2)
	})
}
