package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// world is what documents say: the units, and when each began to start last.
type world struct {
	source   string
	packaged time.Time
	changed  time.Time            // the file of web.service
	others   map[string]time.Time // changed files of other units
	started  map[string]time.Time // services
	timers   map[string]string    // of services
	down     time.Time            // when the container of web.service ended; zero: never
	running  bool                 // it runs again
}

func (w world) document(at time.Time) *facts.Document {
	doc := &facts.Document{Schema: facts.Schema, CollectedAt: at, Declared: &facts.Declared{Source: w.source}}
	if !w.packaged.IsZero() {
		doc.Host = &facts.Host{PackagesAt: &w.packaged}
	}
	file := func(t time.Time) []facts.File {
		return []facts.File{{Path: "/a", Role: facts.RoleFragment, State: facts.StateDeclared, ChangedAt: &t}}
	}
	c := facts.Container{Name: "app", State: "running"}
	if !w.down.IsZero() {
		c.FinishedAt = &w.down
		if !w.running {
			c.State = "exited"
		}
	}
	doc.Units = append(doc.Units, facts.Unit{
		Name: "web.service", ManagedBy: facts.ByHomeManager, Files: file(w.changed), Containers: []facts.Container{c},
		Loaded: &facts.Loaded{InactiveExit: &w.changed},
	})
	for name, t := range w.started {
		u := facts.Unit{Name: name, Loaded: &facts.Loaded{InactiveExit: &t}}
		if timer := w.timers[name]; timer != "" {
			u.Loaded.TriggeredBy = []string{"sync.path", timer}
		}
		doc.Units = append(doc.Units, u)
	}
	for name, t := range w.others {
		doc.Units = append(doc.Units, facts.Unit{Name: name, ManagedBy: facts.ByHomeManager, Files: file(t)})
	}
	slices.SortFunc(doc.Units, func(a, b facts.Unit) int { return strings.Compare(a.Name, b.Name) })
	return doc
}

// TestDrifts: three heals, an hour apart, ten minutes after each drift. Audits without a drift
// are between them.
func TestDrifts(t *testing.T) {
	timer := map[string]string{"sync.service": "sync.timer"}
	started := func(name string, before time.Duration) func(time.Time) world {
		return func(drift time.Time) world {
			return world{changed: drift, started: map[string]time.Time{name: drift.Add(-before)}, timers: timer}
		}
	}
	quiet := func(at time.Time) world {
		return world{started: map[string]time.Time{"sync.service": at.Add(-30 * time.Minute)}}
	}
	cases := map[string]struct {
		action finding.Action
		drift  func(time.Time) world // what the document before each heal says
		quiet  func(time.Time) world // what other audits say
		want   string                // what began before each
		known  bool
	}{
		"a timer":                   {finding.DaemonReload, started("sync.service", 20*time.Second), quiet, "[sync.timer]", true},
		"a service without a timer": {finding.DaemonReload, started("other.service", 20*time.Second), quiet, "[other.service]", true},
		"at the same time":          {finding.DaemonReload, started("sync.service", 0), quiet, "[sync.timer]", true},
		"too long before":           {finding.DaemonReload, started("sync.service", 61*time.Second), quiet, "[]", true},
		"after it":                  {finding.DaemonReload, started("sync.service", -time.Second), quiet, "[]", true},
		"the audit itself":          {finding.DaemonReload, started("stackpolicy-audit.service", 0), quiet, "[]", true},
		"all the time": {finding.DaemonReload, started("sync.service", 20*time.Second), func(at time.Time) world {
			return world{started: map[string]time.Time{"sync.service": at.Add(-40 * time.Second)}, timers: timer}
		}, "[]", true},
		"nothing to compare with": {finding.DaemonReload, started("sync.service", 20*time.Second), nil, "[]", true},
		"an activation": {finding.DaemonReload, func(drift time.Time) world {
			return world{source: "home-manager", changed: drift, others: map[string]time.Time{"db.service": drift.Add(time.Second)}}
		}, quiet, "[home-manager]", true},
		"packages":        {finding.DaemonReload, func(drift time.Time) world { return world{changed: drift, packaged: drift.Add(30 * time.Second)} }, quiet, "[packages]", true},
		"packages before": {finding.DaemonReload, func(drift time.Time) world { return world{changed: drift, packaged: drift.Add(-time.Hour)} }, quiet, "[]", true},
		"one file of a generation": {finding.DaemonReload, func(drift time.Time) world {
			return world{source: "home-manager", changed: drift, others: map[string]time.Time{"db.service": noon.Add(-day)}}
		}, quiet, "[]", true},
		"other files, without Home Manager": {finding.DaemonReload, func(drift time.Time) world {
			return world{changed: drift, others: map[string]time.Time{"db.service": drift}}
		}, quiet, "[]", true},
		"a file that did not change": {finding.DaemonReload, func(time.Time) world {
			return world{changed: noon.Add(-20 * time.Hour), started: map[string]time.Time{"sync.service": noon.Add(-20 * time.Hour)}}
		}, quiet, "[]", false},
		"a container": {finding.Restart, func(drift time.Time) world {
			w := started("sync.service", time.Second)(drift)
			w.changed, w.down = noon.Add(-day), drift
			return w
		}, quiet, "[sync.timer]", true},
		"a container that runs again": {finding.Restart, func(drift time.Time) world {
			return world{changed: noon.Add(-day), down: drift, running: true}
		}, quiet, "[]", false},
		"a change after the heal": {finding.DaemonReload, func(drift time.Time) world { return world{changed: drift.Add(15 * time.Minute)} }, quiet, "[]", false},
		"a container that runs":   {finding.Restart, func(drift time.Time) world { return world{changed: drift} }, quiet, "[]", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t)
			for i := range 3 {
				heal := noon.Add(time.Duration(i-3) * time.Hour)
				drift := heal.Add(-10 * time.Minute)
				if c.quiet != nil {
					at := heal.Add(-40 * time.Minute)
					must(s.Record(t.Context(), Audit{At: at, Document: c.quiet(at).document(at)}))(t)
				}
				healed(t, s, Action{
					At: heal, Action: c.action, Subject: "web.service", Reasons: []Reason{{"loaded_is_current", "web.service", "stale"}},
				}, c.drift(drift).document(heal))
			}
			m := must(s.Recall(t.Context(), noon))(t)
			heals := m.Of("web.service").Heals
			i := slices.IndexFunc(heals, func(h facts.HealCount) bool { return h.Invariant != "" })
			if i < 0 || len(heals[i].Drifts) != 3 {
				t.Fatalf("got %+v", heals)
			}
			for n, d := range heals[i].Drifts {
				isLast := n == len(heals[i].Drifts)-1 // it has no heal before it
				if fmt.Sprint(d.After) != c.want && !isLast || (d.At != nil) != c.known && !isLast {
					t.Errorf("drift %d: at %v after %v; want %s, known %t", n, d.At, d.After, c.want, c.known)
				}
				if at := noon.Add(time.Duration(-1-n)*time.Hour - 10*time.Minute); c.known && !d.At.Equal(at) {
					t.Errorf("drift %d: at %s, want %s", n, d.At, at)
				}
			}
			if slices.ContainsFunc(heals, func(h facts.HealCount) bool { return h.Invariant == "" && h.Drifts != nil }) {
				t.Error("all runs of an action have drifts")
			}
		})
	}
}

// healed stores an action that healed.
func healed(t *testing.T, s *Store, a Action, before *facts.Document) {
	t.Helper()
	id := must(s.Intend(t.Context(), a, before))(t)
	if err := s.Conclude(t.Context(), id, Done, "", 5); err != nil {
		t.Fatal(err)
	}
	if err := s.Verified(t.Context(), id, true, nil); err != nil {
		t.Fatal(err)
	}
}

// TestFewDrifts: two heals, and heals whose documents are not kept.
func TestFewDrifts(t *testing.T) {
	s, _ := opened(t)
	reasons := []Reason{{"loaded_is_current", "web.service", "stale"}}
	drifts := func() []facts.Drift {
		for _, h := range must(s.Recall(t.Context(), noon))(t).Of("web.service").Heals {
			if h.Invariant != "" {
				return h.Drifts
			}
		}
		return nil
	}
	for i := range 3 {
		if got := drifts(); got != nil {
			t.Errorf("after %d heals: %+v", i, got)
		}
		healed(t, s, Action{At: noon.Add(time.Duration(i-3) * time.Hour), Action: finding.DaemonReload, Subject: "web.service", Reasons: reasons}, nil)
	}
	if got := drifts(); len(got) != 3 || got[0].At != nil || got[0].After == nil {
		t.Errorf("without documents: %+v", got)
	}
}
