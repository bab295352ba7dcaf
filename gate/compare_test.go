package gate

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/audit"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// found is a block with the severity, about a unit and perhaps a container of it.
func found(invariant, subject, severity string, object ...string) finding.Finding {
	f := finding.Finding{
		Invariant: invariant, Subject: subject, Effect: finding.Block, Severity: finding.Severity(severity),
		Message: subject + " is wrong", Evidence: map[string]any{"case": "c"},
	}
	if len(object) > 0 {
		f.Evidence["container"] = object[0]
	}
	return f
}

func heal(invariant, subject string) finding.Finding {
	f := found(invariant, subject, "ticket")
	f.Effect, f.Action, f.Outcome = finding.Heal, finding.DaemonReload, finding.Planned
	return f
}

func waived(f finding.Finding, until time.Time) finding.Finding {
	f.Waiver = &finding.Waiver{Reason: "r", Owner: "ada", Until: until}
	return f
}

func unknown(invariant, subject, collector string) finding.Finding {
	f := found(invariant, subject, "unknown")
	f.Message = collector + " did not answer"
	f.Evidence = map[string]any{"case": finding.CaseGap, "collector": collector}
	return f
}

// seen is an observation of web.service and db.service.
func seen(at time.Time, findings ...finding.Finding) Observation {
	doc := &facts.Document{CollectedAt: at, Declared: &facts.Declared{}}
	for _, name := range []string{"db.service", "web.service"} {
		doc.Units = append(doc.Units, facts.Unit{Name: name, ManagedBy: "config", Loaded: &facts.Loaded{ActiveState: "active", SubState: "running"}})
	}
	return Observation{Report: &audit.Report{CollectedAt: at, Decisions: findings}, Document: doc}
}

// said lists a comparison: the list, the way, the subject, and the object if there is one.
func said(c Comparison) []string {
	lines := []string{}
	for _, l := range []struct {
		name    string
		changes []Change
	}{{"worse", c.Worse}, {"undecided", c.Undecided}, {"remaining", c.Remaining}, {"gone", c.Gone}, {"coming", c.Coming}} {
		for _, x := range l.changes {
			line := l.name + " " + x.Change + " " + x.Invariant + " " + x.Subject
			if x.Object != "" {
				line += " " + x.Object
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestCompare(t *testing.T) {
	page, ticket := found("i", "web.service", "page"), found("i", "web.service", "ticket")
	allowed := finding.Finding{Invariant: "i", Subject: "web.service", Effect: finding.Allow}
	other := ticket
	other.Evidence = map[string]any{"case": "another"}
	asked := func(f ...finding.Finding) []finding.Finding { return f }
	cases := map[string]struct {
		before, after []finding.Finding
		want          []string
	}{
		"nothing, nothing":              {nil, nil, nil},
		"allowed stays allowed":         {asked(allowed), asked(allowed), nil},
		"new":                           {asked(allowed), asked(ticket), []string{"worse new i web.service"}},
		"a new one to heal":             {nil, asked(heal("i", "web.service")), []string{"worse new i web.service"}},
		"new and waived":                {nil, asked(waived(page, noon.Add(time.Hour))), nil},
		"more severe":                   {asked(ticket), asked(page), []string{"worse more-severe i web.service"}},
		"less severe":                   {asked(page), asked(ticket), []string{"remaining remains i web.service"}},
		"the same":                      {asked(page), asked(page), []string{"remaining remains i web.service"}},
		"another case":                  {asked(ticket), asked(other), []string{"remaining remains i web.service"}},
		"heal becomes block":            {asked(heal("i", "web.service")), asked(ticket), []string{"worse no-longer-healed i web.service"}},
		"block becomes heal":            {asked(ticket), asked(heal("i", "web.service")), []string{"remaining remains i web.service"}},
		"gone":                          {asked(page), asked(allowed), []string{"gone gone i web.service"}},
		"now waived":                    {asked(page), asked(waived(page, noon.Add(time.Hour))), []string{"gone gone i web.service"}},
		"gone, and it was waived":       {asked(waived(page, noon.Add(time.Hour))), nil, nil},
		"the waiver ended by the clock": {asked(waived(page, noon.Add(time.Second))), asked(page), []string{"remaining remains i web.service"}},
		"the waiver was taken away":     {asked(waived(page, noon.Add(time.Hour))), asked(page), []string{"worse no-longer-waived i web.service"}},
		"worse when the waiver ended":   {asked(waived(ticket, noon.Add(time.Second))), asked(page), []string{"worse more-severe i web.service"}},
		"another container": {
			asked(found("i", "web.service", "page", "a")), asked(found("i", "web.service", "page", "b")),
			[]string{"worse new i web.service b", "gone gone i web.service a"},
		},
		"a second one of the same": {asked(page), asked(page, page), []string{"worse new i web.service", "remaining remains i web.service"}},
		"of two, one is worse": {
			asked(ticket, page), asked(page, page), []string{"worse more-severe i web.service", "remaining remains i web.service"},
		},
		"the waived one of two is not the one that counts": {
			asked(waived(page, noon.Add(time.Hour)), page), asked(page, waived(page, noon.Add(time.Hour))), []string{"remaining remains i web.service"},
		},
		"nor where it comes first": {
			asked(page, waived(page, noon.Add(time.Hour))), asked(waived(page, noon.Add(time.Hour)), page), []string{"remaining remains i web.service"},
		},
		"the unit is gone": {asked(found("i", "old.service", "page")), nil, []string{"gone unit-gone i old.service"}},

		"cannot be decided any more": {asked(allowed), asked(unknown("i", "web.service", "podman")), []string{"undecided undecided i web.service"}},
		"a finding that cannot be decided any more": {
			asked(page), asked(unknown("i", "web.service", "podman")), []string{"undecided undecided i web.service"},
		},
		"one of the host for all": {
			asked(page), asked(unknown("i", "host", "podman")), []string{"undecided undecided i host"},
		},
		"never could": {
			asked(unknown("i", "web.service", "podman")), asked(unknown("i", "web.service", "podman")), []string{"remaining remains i web.service"},
		},
		"never could, for another reason": {
			asked(unknown("i", "web.service", "podman")), asked(unknown("i", "web.service", "systemd")), []string{"remaining remains i web.service"},
		},
		"now of all, before of one": {
			asked(unknown("i", "web.service", "podman")), asked(unknown("i", "host", "podman")), []string{"undecided undecided i host"},
		},
		"found, and not known whether it was there": {
			asked(unknown("i", "host", "podman")), asked(page), []string{"undecided was-unknown i web.service", "gone gone i host"},
		},
		"decided again": {asked(unknown("i", "web.service", "podman")), asked(allowed), []string{"gone gone i web.service"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := said(Compare(seen(noon, c.before...), seen(noon.Add(time.Minute), c.after...)))
			if d := cmp.Diff(append([]string{}, c.want...), got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// A gap that leaves no invariant undecided is one too, such as a pattern of the
// configuration that the change made match nothing.
func TestCompareGaps(t *testing.T) {
	with := func(o Observation, gaps ...audit.Gap) Observation { o.Report.Gaps = gaps; return o }
	podman, one, two := audit.Gap{Collector: "podman", Error: "e"}, audit.Gap{Collector: "config", Error: "web-*"}, audit.Gap{Collector: "config", Error: "db-*"}
	for name, c := range map[string]struct {
		before, after []audit.Gap
		undecided     int
	}{
		"new":              {nil, []audit.Gap{one}, 1},
		"as before":        {[]audit.Gap{one, podman}, []audit.Gap{podman, one}, 0},
		"another pattern":  {[]audit.Gap{one}, []audit.Gap{two}, 1},
		"another one more": {[]audit.Gap{podman}, []audit.Gap{podman, one}, 1},
		"gone":             {[]audit.Gap{podman}, nil, 0},
	} {
		got := Compare(with(seen(noon), c.before...), with(seen(noon), c.after...))
		if len(got.Undecided) != c.undecided || len(got.Worse) > 0 {
			t.Errorf("%s: got %q", name, said(got))
		}
	}
}

func TestExplainIsACommand(t *testing.T) {
	c := Compare(seen(noon), seen(noon, found("unit_not_failed", "web.service", "ticket"), found("links_resolve", "host", "page"), unknown(finding.AuditComplete, "host", "config")))
	var got []string
	for _, list := range [][]Change{c.Worse, c.Undecided} {
		for _, x := range list {
			got = append(got, x.Explain)
		}
	}
	want := []string{"stackpolicy explain host links_resolve", "stackpolicy explain web.service unit_not_failed", "stackpolicy eval"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: the worst first", got, want)
	}
}
