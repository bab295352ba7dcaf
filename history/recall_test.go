package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

// acted stores an action that was started at the given time, with its result.
func acted(t testing.TB, s *Store, a Action) {
	t.Helper()
	id := must(s.Intend(t.Context(), a, nil))(t)
	if a.Status != "" {
		if err := s.Conclude(t.Context(), id, a.Status, a.Message, 5); err != nil {
			t.Fatal(err)
		}
	}
	if a.Healed != nil {
		if err := s.Verified(t.Context(), id, *a.Healed, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func restart(at time.Time, status string, healed ...bool) Action {
	a := Action{At: at, Action: "restart", Subject: "web.service", Status: status,
		Reasons: []Reason{{"stack_running", "web.service", "exited"}}}
	if len(healed) > 0 {
		a.Healed = &healed[0]
	}
	return a
}

func TestRecallHeals(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	for name, tc := range map[string]struct {
		actions []Action
		want    facts.HealCount // of all runs on web.service; its invariant's are the same
	}{
		"none":                   {nil, facts.HealCount{}},
		"cut short":              {[]Action{restart(ago(time.Minute), "")}, facts.HealCount{Tried1h: 1, Tried24h: 1, Failed24h: 1, Last: ago(time.Minute)}},
		"done, not looked":       {[]Action{restart(ago(time.Minute), Done)}, facts.HealCount{Tried1h: 1, Tried24h: 1, Last: ago(time.Minute)}},
		"healed":                 {[]Action{restart(ago(time.Minute), Done, true)}, facts.HealCount{Tried1h: 1, Tried24h: 1, Healed1h: 1, Healed24h: 1, Last: ago(time.Minute)}},
		"done and not healed":    {[]Action{restart(ago(time.Minute), Done, false)}, facts.HealCount{Tried1h: 1, Tried24h: 1, Failed24h: 1, Last: ago(time.Minute)}},
		"failed, found healed":   {[]Action{restart(ago(time.Minute), Failed, true)}, facts.HealCount{Tried1h: 1, Tried24h: 1, Healed1h: 1, Healed24h: 1, Last: ago(time.Minute)}},
		"refused":                {[]Action{restart(ago(time.Minute), Refused)}, facts.HealCount{}},
		"an hour ago":            {[]Action{restart(ago(time.Hour), Done, true)}, facts.HealCount{Tried24h: 1, Healed24h: 1, Last: ago(time.Hour)}},
		"a day ago":              {[]Action{restart(ago(day), Done, true)}, facts.HealCount{}},
		"several":                {[]Action{restart(ago(2*time.Hour), Done, true), restart(ago(time.Minute), Failed)}, facts.HealCount{Tried1h: 1, Tried24h: 2, Healed24h: 1, Failed24h: 1, Last: ago(time.Minute)}},
		"the clock was set back": {[]Action{restart(noon.Add(23*time.Hour), Done, true)}, facts.HealCount{Tried1h: 1, Tried24h: 1, Healed1h: 1, Healed24h: 1, Last: noon}},
		"of a clock far ahead":   {[]Action{restart(noon.Add(day+time.Second), Done, true)}, facts.HealCount{}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t)
			for _, a := range tc.actions {
				acted(t, s, a)
			}
			want := facts.Memory{Since: noon, Subjects: map[string]facts.History{}}
			if tc.want.Tried24h > 0 {
				all, asked := tc.want, tc.want
				all.Action, asked.Action = "restart", "restart"
				asked.Invariant, asked.Case = "stack_running", "exited"
				want.Subjects["web.service"] = facts.History{Findings: []facts.OpenFinding{}, Heals: []facts.HealCount{all, asked}}
			}
			if d := cmp.Diff(want, must(s.Recall(t.Context(), noon))(t)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestRecallManagerWide(t *testing.T) {
	s, _ := opened(t)
	reason := func(unit string) Reason { return Reason{"loaded_is_current", unit, "file-changed"} }
	acted(t, s, Action{At: noon, Action: "daemon-reload", Subject: "host", Status: Done,
		Reasons: []Reason{reason("web.service"), reason("db.service"), reason("web.service")}})
	got := map[string][]facts.HealCount{}
	for subject, h := range must(s.Recall(t.Context(), noon))(t).Subjects {
		got[subject] = h.Heals
	}
	once := facts.HealCount{Action: "daemon-reload", Tried1h: 1, Tried24h: 1, Last: noon}
	asked := once
	asked.Invariant, asked.Case = "loaded_is_current", "file-changed"
	want := map[string][]facts.HealCount{"host": {once}, "web.service": {asked}, "db.service": {asked}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestRecallFindings(t *testing.T) {
	s, _ := opened(t)
	doc := &facts.Document{Units: []facts.Unit{}}
	b, a, again := broken("b", "web.service", ""), broken("a", "web.service", "x"), broken("b", "web.service", "")
	again.Message = "another"
	recorded(t, s, audited(doc, noon, b))
	recorded(t, s, audited(doc, noon.Add(time.Minute), b, a, again))
	want := []facts.OpenFinding{{Invariant: "a", Case: "x", Since: noon.Add(time.Minute)}, {Invariant: "b", Since: noon}}
	got := must(s.Recall(t.Context(), noon.Add(time.Hour)))(t).Subjects["web.service"].Findings
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	m := must(s.Recall(t.Context(), noon.Add(-day)))(t)
	for _, f := range m.Subjects["web.service"].Findings {
		if f.Since.After(noon.Add(-day)) {
			t.Errorf("the clock was set back, and %s is open since a time after now", f.Invariant)
		}
	}
	if m.Since.After(noon.Add(-day)) {
		t.Errorf("the memory begins after now: %s", m.Since)
	}
}

// A clock that is set a day forward and back never restores a budget, and Recall at the same
// time always returns the same.
func TestRecallWhileTheClockJumps(t *testing.T) {
	s, _ := opened(t)
	doc := &facts.Document{Units: []facts.Unit{}}
	for i, at := range []time.Time{noon, noon.Add(day), noon.Add(time.Minute), noon.Add(-day), noon.Add(2 * time.Minute)} {
		acted(t, s, restart(at, Done, true))
		recorded(t, s, audited(doc, at, broken("x", "web.service", "")))
		first := must(s.Recall(t.Context(), at))(t)
		if d := cmp.Diff(first, must(s.Recall(t.Context(), at))(t)); d != "" {
			t.Errorf("recalled twice: %s", d)
		}
		for _, h := range first.Subjects["web.service"].Heals {
			if h.Tried1h < 1 || h.Last.After(at) || h.Tried24h < h.Tried1h || h.Healed24h > h.Tried24h {
				t.Errorf("step %d at %s: %+v", i, at, h)
			}
		}
	}
	all := must(s.Recall(t.Context(), noon.Add(2*time.Minute)))(t).Subjects["web.service"].Heals[0]
	if all.Tried24h != 4 { // all except the one a day ago, which is just too old
		t.Errorf("%d tried in a day, want 4", all.Tried24h)
	}
}

func TestBreaker(t *testing.T) {
	s, home := opened(t)
	open := func(reason string, at, until time.Time) {
		t.Helper()
		if err := s.OpenBreaker(t.Context(), "web.service", reason, at, until); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, now time.Time, want *facts.Breaker) {
		t.Helper()
		reader := must(OpenReadOnly(t.Context(), home))(t)
		defer reader.Close()
		if d := cmp.Diff(want, must(reader.Recall(t.Context(), now))(t).Subjects["web.service"].Breaker); d != "" {
			t.Errorf("%s: -want +got\n%s", what, d)
		}
	}
	want("never opened", noon, nil)
	open("3 restarts in an hour", noon, noon.Add(time.Hour))
	want("open", noon, &facts.Breaker{Since: noon, Until: noon.Add(time.Hour), Reason: "3 restarts in an hour"})
	want("over", noon.Add(time.Hour), nil)
	want("the clock was set back", noon.Add(-time.Minute), &facts.Breaker{Since: noon.Add(-time.Minute), Until: noon.Add(time.Hour), Reason: "3 restarts in an hour"})
	open("again", noon.Add(time.Minute), noon.Add(2*time.Hour))
	want("opened while open", noon.Add(time.Minute), &facts.Breaker{Since: noon, Until: noon.Add(2 * time.Hour), Reason: "again"})
	open("anew", noon.Add(3*time.Hour), noon.Add(4*time.Hour))
	want("opened when it was over", noon.Add(3*time.Hour), &facts.Breaker{Since: noon.Add(3 * time.Hour), Until: noon.Add(4 * time.Hour), Reason: "anew"})
	for range 2 {
		if err := s.CloseBreaker(t.Context(), "web.service", noon.Add(3*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	want("closed", noon.Add(3*time.Hour), nil)
}

// After a breaker was closed, earlier actions do not count, but findings that were healed
// again and again are still known.
func TestCloseBreakerForgives(t *testing.T) {
	s, _ := opened(t)
	for _, minute := range []int{0, 1, 10} {
		act := restart(noon.Add(time.Duration(minute)*time.Minute), "exited")
		must(s.Intend(t.Context(), act, nil))(t)
	}
	if err := s.CloseBreaker(t.Context(), "web.service", noon.Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	memory := must(s.Recall(t.Context(), noon.Add(20*time.Minute)))(t)
	tried := map[string]int{}
	for _, h := range memory.Subjects["web.service"].Heals {
		tried[h.Invariant] += h.Tried1h
	}
	if tried[""] != 1 || tried["stack_running"] != 3 {
		t.Errorf("counts %v, want 1 in all, and 3 for the finding", tried)
	}
}

func TestActions(t *testing.T) {
	s, _ := opened(t)
	before, after := document(t, 1), document(t, 2)
	id := must(s.Intend(t.Context(), restart(noon, ""), before))(t)
	begun := must(s.Actions(t.Context(), noon, 10))(t)[0]
	if begun.Status != Begun || begun.Healed != nil || begun.Before == "" || begun.After != "" {
		t.Errorf("begun: %+v", begun)
	}
	if err := s.Conclude(t.Context(), id, Done, "well", 12); err != nil {
		t.Fatal(err)
	}
	if err := s.Verified(t.Context(), id, false, after); err != nil {
		t.Fatal(err)
	}
	acted(t, s, restart(noon.Add(time.Minute), Failed))
	list := must(s.Actions(t.Context(), noon, 10))(t)
	if len(list) != 2 || list[0].Status != Failed || list[1].ID != id {
		t.Fatalf("newest first: %+v", list)
	}
	healed := false
	want := restart(noon, Done, healed)
	want.ID, want.Message, want.DurationMS, want.Before, want.After = id, "well", 12, begun.Before, must(pack(after))(t).digest
	if d := cmp.Diff(want, list[1]); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := must(s.Document(t.Context(), want.Before, noon))(t); len(got.Units) != 1 {
		t.Errorf("what it rests on has %d units, want 1", len(got.Units))
	}
	if err := s.Conclude(t.Context(), 99, Done, "", 0); err == nil {
		t.Error("an action that was never begun is concluded")
	}
}
