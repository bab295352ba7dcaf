package overview_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet"
	. "stackpolicy/fleet/overview"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// good is a source that is heard from, and in order.
func good() Source {
	return Source{
		Source: fleet.Source{Org: "acme", Host: "den", User: "ada"}, Enrolled: now.Add(-time.Hour), Received: now.Add(-time.Minute),
		Newest: 7, Applied: 7, AsOf: now.Add(-time.Minute),
		Beat: fleet.Beat{Audited: now.Add(-2 * time.Minute), Audits: 70, Every: 12 * time.Minute},
	}
}

// with returns a good source with a change.
func with(change func(*Source)) Source {
	s := good()
	change(&s)
	return s
}

// heard changes when a source was heard from, some time before now.
func heard(age time.Duration) func(*Source) {
	return func(s *Source) { s.Received, s.Beat.Audited = now.Add(-age), now.Add(-age) }
}

func open(severity finding.Severity) Finding {
	return Finding{Finding: finding.Finding{Invariant: "stack_running", Subject: "web.service", Effect: finding.Block, Severity: severity, Message: "down"}, Since: now.Add(-time.Hour)}
}

func TestState(t *testing.T) {
	waived := open(finding.Page)
	waived.Waiver = &finding.Waiver{Reason: "known", Until: now.Add(time.Hour)}
	revoked := now.Add(-time.Hour)
	cases := map[string]struct {
		source Source
		want   []State
	}{
		"in order":                            {good(), []State{Good}},
		"never sent":                          {Source{Enrolled: now}, []State{Never}},
		"forked":                              {with(func(s *Source) { s.Fork = "there are two envelopes 5" }), []State{Untrusted}},
		"revoked, whatever else":              {with(func(s *Source) { s.Revoked, s.Fork, s.Beat.ExitCode = &revoked, "x", 2 }), []State{Revoked}},
		"just not too old":                    {with(heard(36 * time.Minute)), []State{Good}},
		"too old":                             {with(heard(37 * time.Minute)), []State{Silent}},
		"frequent, and just not too old":      {with(func(s *Source) { heard(30 * time.Minute)(s); s.Beat.Every = time.Second }), []State{Good}},
		"frequent, and too old":               {with(func(s *Source) { heard(31 * time.Minute)(s); s.Beat.Every = time.Second }), []State{Silent}},
		"of unknown pause, and too old":       {with(func(s *Source) { heard(31 * time.Minute)(s); s.Beat.Every = 0 }), []State{Silent}},
		"it promises to be silent for ever":   {with(func(s *Source) { heard(73 * time.Hour)(s); s.Beat.Every = math.MaxInt64 }), []State{Silent}},
		"it promises less than nothing":       {with(func(s *Source) { s.Beat.Every = math.MinInt64 }), []State{Good}},
		"silent with a page":                  {with(func(s *Source) { heard(time.Hour)(s); s.Beat.ExitCode = 2 }), []State{Silent, Page}},
		"it sends, but audits no more":        {with(func(s *Source) { s.Beat.Audited = now.Add(-time.Hour) }), []State{Unknown}},
		"it never audited":                    {with(func(s *Source) { s.Beat.Audited = time.Time{} }), []State{Unknown}},
		"it audited in the future":            {with(func(s *Source) { s.Beat.Audited = now.Add(time.Hour) }), []State{Unknown}},
		"a gap":                               {with(func(s *Source) { s.Missing, s.Applied = []fleet.Range{{From: 3, To: 4}}, 2 }), []State{Gap}},
		"a gap and a page":                    {with(func(s *Source) { s.Missing, s.Beat.Open.Page = []fleet.Range{{From: 3, To: 4}}, 1 }), []State{Page, Gap}},
		"clock":                               {with(func(s *Source) { s.Clock = "its clock is 1h ahead" }), []State{BadClock}},
		"an exit status":                      {with(func(s *Source) { s.Beat.ExitCode = 2 }), []State{Page}},
		"an exit status of another program":   {with(func(s *Source) { s.Beat.ExitCode = 77 }), []State{Unknown}},
		"could not decide":                    {with(func(s *Source) { s.Beat.ExitCode = 3 }), []State{Unknown}},
		"a ticket":                            {with(func(s *Source) { s.Beat.ExitCode, s.Beat.Open.Ticket = 1, 2 }), []State{Ticket}},
		"counts that the status denies":       {with(func(s *Source) { s.Beat.Open.Page = 1 }), []State{Page}},
		"a finding that the beat denies":      {with(func(s *Source) { s.Findings = []Finding{open(finding.Page)} }), []State{Page}},
		"a finding of before":                 {with(func(s *Source) { s.Findings, s.Applied = []Finding{open(finding.Page)}, 6 }), []State{Good}},
		"waived":                              {with(func(s *Source) { s.Findings = []Finding{waived} }), []State{Waived}},
		"waived by the beat":                  {with(func(s *Source) { s.Beat.Open.Waived = 1 }), []State{Waived}},
		"refused envelopes alone are no gap":  {with(func(s *Source) { s.Refused = 3 }), []State{Good}},
		"page, unknown, ticket and the clock": {with(func(s *Source) { s.Clock, s.Beat.Open = "x", fleet.Counts{Page: 1, Unknown: 1, Ticket: 1} }), []State{Page, Unknown, BadClock, Ticket}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			row := Build([]Source{c.source}, now).Sources[0]
			var got []State
			for _, cause := range row.Causes {
				got = append(got, cause.State)
				if cause.Why == "" {
					t.Errorf("%s: no reason", cause.State)
				}
			}
			if !slices.Equal(got, c.want) || row.State != c.want[0] || row.Level != c.want[0].Level() {
				t.Errorf("got %v (%+v), want %v", got, row.Causes, c.want)
			}
		})
	}
}

// TestNothingUnseenIsGood: whatever is wrong with what the hub received, a source that says of
// itself that all is well is not good.
func TestNothingUnseenIsGood(t *testing.T) {
	for name, change := range map[string]func(*Source){
		"silent": func(s *Source) { s.Received = now.Add(-5 * time.Hour) }, "gap": func(s *Source) { s.Missing = []fleet.Range{{From: 1, To: 1}} },
		"fork": func(s *Source) { s.Fork = "x" }, "clock": func(s *Source) { s.Clock = "x" }, "nothing": func(s *Source) { s.Received = time.Time{} },
		"no audit": func(s *Source) { s.Beat.Audited = time.Time{} }, "old audit": func(s *Source) { s.Beat.Audited = now.Add(-5 * time.Hour) },
	} {
		f := Build([]Source{with(change)}, now)
		if l := f.Sources[0].Level; l < finding.LevelUnknown || f.ExitCode < 2 {
			t.Errorf("%s: %s, exit code %d", name, l, f.ExitCode)
		}
	}
}

func TestExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		sources []Source
		want    int
	}{
		"no source":          {nil, 3},
		"good":               {[]Source{good()}, 0},
		"a ticket":           {[]Source{good(), with(func(s *Source) { s.Beat.ExitCode = 1 })}, 1},
		"a gap":              {[]Source{good(), with(func(s *Source) { s.Missing = []fleet.Range{{From: 1, To: 1}} })}, 3},
		"a page beside that": {[]Source{with(func(s *Source) { s.Beat.ExitCode = 2 }), with(func(s *Source) { s.Beat.ExitCode = 3 })}, 2},
		"silent":             {[]Source{good(), with(func(s *Source) { s.Received = now.Add(-time.Hour) })}, 2},
	} {
		if got := Build(c.sources, now).ExitCode; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestOrder(t *testing.T) {
	named := func(host string, change func(*Source)) Source {
		return with(func(s *Source) { s.Host = host; change(s) })
	}
	sources := []Source{
		named("d-good", func(*Source) {}), named("c-good", func(*Source) {}),
		named("b-ticket", func(s *Source) { s.Beat.ExitCode = 1 }), named("z-page", func(s *Source) { s.Beat.ExitCode = 2 }),
		named("z-silent", func(s *Source) { s.Received = now.Add(-time.Hour) }), named("z-fork", func(s *Source) { s.Fork = "x" }),
		named("a-unknown", func(s *Source) { s.Beat.ExitCode = 3 }), {Source: fleet.Source{Host: "y-never"}},
	}
	var got []string
	f := Build(sources, now)
	for _, r := range f.Sources {
		got = append(got, r.Host)
	}
	if want := "z-fork z-silent y-never z-page a-unknown b-ticket c-good d-good"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	sum := 0
	for i, total := range f.Totals {
		sum += total.Sources
		if total.State != States()[i] {
			t.Errorf("total %d is of %s", i, total.State)
		}
	}
	if sum != len(sources) {
		t.Errorf("%d in the totals, want %d", sum, len(sources))
	}
}

func TestReleases(t *testing.T) {
	on := func(channel string, version int64, stage string) Source {
		return with(func(s *Source) { s.Beat.Release = &fleet.Release{Channel: channel, Version: version, Stage: stage} })
	}
	revoked := on("stable", 9, "active")
	revoked.Revoked = &now
	got := Build([]Source{on("stable", 3, "active"), on("stable", 4, "shadow"), on("stable", 3, "active"), on("edge", 1, "back"), good(), revoked, {}}, now).Releases
	want := []Release{{"", 0, "", 1}, {"edge", 1, "back", 1}, {"stable", 4, "shadow", 1}, {"stable", 3, "active", 2}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWorst: the newest beat knows it first; findings say it where the beat does not.
func TestWorst(t *testing.T) {
	s := with(func(s *Source) { s.Findings = []Finding{open(finding.Ticket), open(finding.Page)} })
	before := slices.Clone(s.Findings)
	r := Build([]Source{s}, now).Sources[0]
	if r.Worst == nil || r.Worst.Severity != "page" || r.Findings[0].Severity != finding.Page {
		t.Errorf("%+v", r.Worst)
	}
	if !slices.EqualFunc(before, s.Findings, func(a, b Finding) bool { return a.Severity == b.Severity }) {
		t.Error("the source was changed")
	}
	s.Beat.Worst = &fleet.Worst{Invariant: "of the beat"}
	if r := Build([]Source{s}, now).Sources[0]; r.Worst.Invariant != "of the beat" {
		t.Errorf("%+v", r.Worst)
	}
}
