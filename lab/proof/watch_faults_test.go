package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestWatchHolds checks that a hold, a waiver and their end are seen at once, although another
// program writes them to the memory.
func TestWatchHolds(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		w := s.watch(0)
		s.systemctl("stop", "web.service")
		w.until("web.service", "wanted_is_running", "block")
		for _, c := range []struct{ begin, end []string }{
			{[]string{"hold", "web", "--for", "1h", "--reason", "new disk"}, []string{"release", "web"}},
			{[]string{"waive", "web", "wanted_is_running", "--for", "1h", "--reason", "known"}, []string{"unwaive", "web", "wanted_is_running"}},
		} {
			s.stackpolicy(c.begin...)
			if l := w.line(); l.Subject != "web.service" || l.Invariant != "wanted_is_running" || !l.Waived {
				t.Errorf("after %v: %+v", c.begin, l)
			}
			s.stackpolicy(c.end...)
			if l := w.line(); l.Subject != "web.service" || l.Invariant != "wanted_is_running" || l.Waived {
				t.Errorf("after %v: %+v", c.end, l)
			}
		}
		const held = 8 * time.Second // ends by the clock
		began := time.Now()
		s.stackpolicy("hold", "web", "--for", held.String(), "--reason", "new disk")
		if l := w.line(); !l.Waived {
			t.Errorf("after a hold: %+v", l)
		}
		for l := w.line(); l.Invariant != "wanted_is_running" || l.Waived; l = w.line() {
		}
		if took := time.Since(began); took < held-time.Second || took > held+5*time.Second {
			t.Errorf("a hold of %s ended after %s", held, took)
		}
	})
}

// TestWatchChecksItself: a full audit that finds what no event said is a defect and counts; one
// that comes between a change and its event is not.
func TestWatchChecksItself(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		w := s.watch(0, "--every", "2s")
		down := scene.Containers()
		down[0].State, down[0].ExitCode = "exited", 137
		late := func(effect string, containers []scene.Container) {
			s.do(s.SilentPodman(containers...))
			time.Sleep(1500 * time.Millisecond)
			s.do(s.PodmanEvent())
			w.until("web.service", "stack_running", effect)
		}
		for range 4 { // some full audits are between
			late("block", down)
			late("allow", scene.Containers())
		}
		if said := w.errs.String(); strings.Contains(said, "defect") {
			t.Errorf("late events are a defect: %s", said)
		}
		time.Sleep(time.Second)       // until the last event was seen
		s.do(s.SilentPodman(down...)) // no event says so
		w.says("defect: the watch believed another verdict")
		w.until("web.service", "stack_running", "block")
	})
}

// TestWatchReadsItsConfiguration breaks and mends the configuration and the rules, which lie
// in a folder that the watch learns of later, and replaces that folder as a whole.
func TestWatchReadsItsConfiguration(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{".config/stackpolicy/config.yaml": "-"})
		config, rules := filepath.Join(s.Home, ".config/stackpolicy/config.yaml"), filepath.Join(s.Home, "later/rules")
		settings := filepath.Join(rules, "settings.yaml")
		const good, ticket = "stacks: {web: {}, files: {}, feeds: {}}\npolicies: ~/later/rules\n", "settings:\n  decide: [{invariant: wanted_is_running, units: [\"*\"], severity: ticket}]\n"
		s.do(s.Write(config, "stacks: {web: {}, files: {}, feeds: {}}\n"))
		w := s.watch(0)
		s.systemctl("stop", "web.service")
		w.until("web.service", "wanted_is_running", "block")
		decided := func(what, severity string) {
			t.Helper()
			for {
				l := w.line()
				if l.Invariant == "wanted_is_running" && l.Effect == "block" && l.Severity != "unknown" {
					if l.Severity != severity {
						t.Errorf("%s: %+v, want %s", what, l, severity)
					}
					return
				}
			}
		}
		undecided := func() { t.Helper(); w.until("host", "audit_complete", "block") }

		s.do(s.Write(config, "stacks: [broken\n"))
		undecided()
		s.do(s.Write(config, good)) // the folder does not exist
		w.quiet("host", "audit_complete")
		s.do(s.Write(settings, ticket))
		decided("the folder is there", "ticket")
		s.do(s.Write(settings, "settings:\n  decide: [{invariant: wanted_is_running, units: [\"*\"], severity: page}]\n"))
		decided("other settings", "page")
		s.do(s.Write(settings, "settings: [\n"))
		undecided()
		s.do(s.Write(settings, ticket))
		decided("mended", "ticket")
		s.do(s.Write(filepath.Join(s.Home, "next/settings.yaml"), "settings: {}\n"))
		s.do(os.Rename(rules, rules+".old"))
		s.do(os.Rename(filepath.Join(s.Home, "next"), rules))
		decided("another folder", "page")
		s.do(s.Write(settings, ticket))
		decided("settings in it", "ticket")
		if found := s.verdict(); len(found) != 1 {
			t.Errorf("an audit finds %v", found)
		}
	})
}

// quiet checks that a finding is not about to go.
func (w *watching) quiet(subject, invariant string) {
	w.t.Helper()
	for end := time.After(time.Second); ; {
		select {
		case l := <-w.lines:
			if l.Subject == subject && l.Invariant == invariant {
				w.t.Errorf("%+v", l)
			}
		case <-end:
			return
		}
	}
}
