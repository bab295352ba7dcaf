package gate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/audit"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// play is a system whose state is a function of the time since the gate began to wait.
type play struct {
	now    time.Time
	states func(after time.Duration) Observation
	later  func(after time.Duration) []finding.Finding // what is found in the future; nil: nothing else
	fails  error
	looks  int
}

func (p *play) Observe(context.Context) (Observation, error) {
	p.looks++
	p.now = p.now.Add(100 * time.Millisecond)
	o := p.states(p.now.Sub(noon))
	o.Document.CollectedAt, o.Report.CollectedAt = p.now, p.now
	return o, p.fails
}

func (p *play) Decide(_ context.Context, doc *facts.Document, at time.Time) (*audit.Report, error) {
	o := p.states(doc.CollectedAt.Sub(noon))
	o.Report.CollectedAt = at
	if p.later != nil {
		for _, f := range p.later(at.Sub(doc.CollectedAt)) {
			isOld := func(old finding.Finding) bool { return old.Identity() == f.Identity() }
			o.Report.Decisions = append(slices.DeleteFunc(slices.Clone(o.Report.Decisions), isOld), f)
		}
	}
	return o.Report, nil
}

func (p *play) gate(before Observation) Gate {
	p.now = noon
	return Gate{
		Observer: p, Before: before, From: FromBegin, Wait: 3 * time.Minute, Settle: 5 * time.Second, Grace: 15 * time.Minute,
		Now: func() time.Time { return p.now }, Sleep: func(_ context.Context, d time.Duration) { p.now = p.now.Add(max(d, 0)) },
	}
}

// end ends a gate and checks its exit status, its words, and that it took as long as it should.
func (p *play) end(t *testing.T, g Gate, exit int, least, most time.Duration, words ...string) Result {
	t.Helper()
	r, err := g.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	took := time.Duration(r.WaitedMS) * time.Millisecond
	if r.ExitCode != exit || took < least || took > most {
		t.Errorf("exit code %d after %s, want %d between %s and %s: %q, waiting for %v", r.ExitCode, took, exit, least, most, said(r.Comparison), r.Waiting)
	}
	got := said(r.Comparison)
	for _, w := range r.Waiting {
		got = append(got, "waiting "+w.String())
	}
	slices.Sort(got)
	slices.Sort(words)
	if !slices.Equal(got, words) {
		t.Errorf("got %q, want %q", got, words)
	}
	return r
}

var page = found("i", "web.service", "page")

// starting is an observation in which web.service starts.
func starting(findings ...finding.Finding) Observation {
	o := seen(noon, findings...)
	o.Document.Units[1].Loaded = &facts.Loaded{ActiveState: "activating"}
	return o
}

const (
	none   = 5 * time.Second // nothing is waited for but that the verdict stays
	little = 8 * time.Second
)

func TestEnd(t *testing.T) {
	p := &play{states: func(time.Duration) Observation { return seen(noon) }}
	p.end(t, p.gate(seen(noon)), 0, none, little)

	p.states = func(time.Duration) Observation { return seen(noon, page) }
	p.end(t, p.gate(seen(noon)), 2, none, little, "worse new i web.service")
	p.end(t, p.gate(seen(noon, page)), 0, none, little, "remaining remains i web.service")

	// A start that takes a while.
	p.states = func(after time.Duration) Observation {
		if after < 40*time.Second {
			return starting()
		}
		return seen(noon)
	}
	p.end(t, p.gate(seen(noon)), 0, 44*time.Second, 50*time.Second)

	// One that is a finding until it is done does not count.
	p.states = func(after time.Duration) Observation {
		if after < 40*time.Second {
			return starting(page)
		}
		return seen(noon)
	}
	p.end(t, p.gate(seen(noon)), 0, 44*time.Second, 50*time.Second)

	// One that fails in the end.
	p.states = func(after time.Duration) Observation {
		if after < 40*time.Second {
			return starting()
		}
		return seen(noon, page)
	}
	p.end(t, p.gate(seen(noon)), 2, 44*time.Second, 50*time.Second, "worse new i web.service")
}

// TestEndCouldNotTell has the ends of the waiting at which nothing is known to be worse.
func TestEndCouldNotTell(t *testing.T) {
	three := 3 * time.Minute
	p := &play{states: func(time.Duration) Observation { return starting() }}
	p.end(t, p.gate(seen(noon)), 3, three, three+little, "waiting web.service is starting")
	// It was starting before the change as well.
	p.end(t, p.gate(starting()), 0, three, three+little)
	// What is worse is worse, whatever else goes on.
	p.states = func(time.Duration) Observation { return starting(found("i", "db.service", "page")) }
	p.end(t, p.gate(seen(noon)), 2, three, three+little, "worse new i db.service", "waiting web.service is starting")

	// Nothing could be seen before either: what was not looked at is no pass.
	blind := func(time.Duration) Observation {
		o := seen(noon)
		o.Document.Units, o.Report.Gaps = nil, []audit.Gap{{Collector: "config", Error: "no unit is managed"}}
		return o
	}
	p.states = blind
	p.end(t, p.gate(blind(0)), 3, three, three+little, "remaining remains audit_complete host", "waiting no managed unit can be seen: no unit is managed")

	// Podman does not answer, for a while and for good.
	gap := unknown("i", "host", "podman")
	p.states = func(after time.Duration) Observation {
		if after < time.Minute {
			return seen(noon, gap)
		}
		return seen(noon)
	}
	p.end(t, p.gate(seen(noon)), 0, time.Minute, time.Minute+little)
	p.states = func(time.Duration) Observation { return seen(noon, gap) }
	p.end(t, p.gate(seen(noon)), 3, three, three+little, "undecided undecided i host")

	// Up and down, and never for long.
	p.states = func(after time.Duration) Observation {
		if int(after/(3*time.Second))%2 == 0 {
			return seen(noon)
		}
		return seen(noon, page)
	}
	if r, err := p.gate(seen(noon)).End(t.Context()); err != nil || r.ExitCode == 0 || r.WaitedMS < three.Milliseconds() {
		t.Errorf("a verdict that changes all the time: %d after %d ms, %v", r.ExitCode, r.WaitedMS, err)
	}
	// Always up when it is observed, and restarted each time.
	p.states = func(after time.Duration) Observation {
		o := seen(noon)
		o.Document.Units[1].Loaded.Restarts = int(after / (2 * time.Second))
		return o
	}
	r, err := p.gate(seen(noon)).End(t.Context())
	if err != nil || r.ExitCode != 3 || len(r.Waiting) != 1 || !strings.Contains(r.Waiting[0].Reason, "changed less than 5s ago") {
		t.Errorf("a crash loop: %d, %v, %v", r.ExitCode, r.Waiting, err)
	}
}

// TestEndWithoutTime takes one observation.
func TestEndWithoutTime(t *testing.T) {
	for name, c := range map[string]struct {
		state Observation
		exit  int
		words []string
	}{
		"good":    {seen(noon), 0, nil},
		"worse":   {seen(noon, page), 2, []string{"worse new i web.service"}},
		"started": {starting(), 3, []string{"waiting web.service is starting"}},
	} {
		p := &play{states: func(time.Duration) Observation { return c.state }}
		g := p.gate(seen(noon))
		g.Wait = 0
		p.end(t, g, c.exit, 0, time.Second, c.words...)
		if p.looks != 1 {
			t.Errorf("%s: %d observations", name, p.looks)
		}
	}
}

// TestEndOfARestartLoop: what has waited for its next restart before the change is not waited for.
func TestEndOfARestartLoop(t *testing.T) {
	again := func(time.Duration) Observation {
		o := starting()
		o.Document.Units[1].Loaded.SubState = "auto-restart"
		return o
	}
	p := &play{states: again}
	p.end(t, p.gate(again(0)), 0, none, little)
	p.end(t, p.gate(seen(noon)), 3, 3*time.Minute, 4*time.Minute, "waiting web.service waits for its next restart")
}

// TestEndInGrace has findings that rules give some time.
func TestEndInGrace(t *testing.T) {
	// A probe fails for a start's first minute, and from then on it is a finding.
	p := &play{}
	p.states = func(after time.Duration) Observation {
		if after < time.Minute {
			return seen(noon)
		}
		return seen(noon, page)
	}
	p.later = func(in time.Duration) []finding.Finding {
		if in >= time.Minute && p.now.Sub(noon) < time.Minute {
			return []finding.Finding{page}
		}
		return nil
	}
	p.end(t, p.gate(seen(noon)), 2, time.Minute, time.Minute+little, "worse new i web.service")
	p.end(t, p.gate(seen(noon, page)), 0, none, little, "coming coming i web.service", "gone gone i web.service")
	g := p.gate(seen(noon))
	g.Wait = 20 * time.Second
	p.end(t, g, 3, 20*time.Second, 30*time.Second, "coming coming i web.service",
		"waiting web.service is going to be a finding of i within a minute: web.service is wrong")
	// It answers in time.
	p.later = func(in time.Duration) []finding.Finding {
		if p.now.Sub(noon) < 30*time.Second {
			return []finding.Finding{page}
		}
		return nil
	}
	p.states = func(time.Duration) Observation { return seen(noon) }
	p.end(t, p.gate(seen(noon)), 0, 30*time.Second, 30*time.Second+little)

	// What becomes worse when its grace is over is reported, and fails nothing.
	ticket := found("i", "web.service", "ticket")
	p.states = func(time.Duration) Observation { return seen(noon, ticket) }
	p.later = func(in time.Duration) []finding.Finding {
		if in > 15*time.Minute {
			return []finding.Finding{page}
		}
		return nil
	}
	p.end(t, p.gate(seen(noon, ticket)), 0, none, little, "remaining remains i web.service", "coming coming i web.service")

	// A waiver that ends then does not.
	p.states = func(time.Duration) Observation { return seen(noon, waived(ticket, noon.Add(20*time.Second))) }
	p.later = func(time.Duration) []finding.Finding { return []finding.Finding{page} }
	p.end(t, p.gate(seen(noon, waived(ticket, noon.Add(20*time.Second)))), 0, none, little)
}

// TestEndWhereAuditsHeal: a new finding that an audit heals has until the end of the waiting.
func TestEndWhereAuditsHeal(t *testing.T) {
	p := &play{states: func(after time.Duration) Observation {
		if after < time.Minute {
			return seen(noon, heal("i", "web.service"))
		}
		return seen(noon)
	}}
	g := p.gate(seen(noon))
	p.end(t, g, 2, none, little, "worse new i web.service")
	g = p.gate(seen(noon))
	g.Heals = true
	p.end(t, g, 0, time.Minute, time.Minute+little)
	g = p.gate(seen(noon))
	g.Heals, g.Wait = true, 20*time.Second
	p.end(t, g, 2, 20*time.Second, 30*time.Second, "worse new i web.service", "waiting web.service waits for an audit that heals it (i)")
}

func TestEndWithoutAVerdict(t *testing.T) {
	p := &play{states: func(time.Duration) Observation { return seen(noon) }, fails: errors.New("bad policy")}
	if r, err := p.gate(seen(noon)).End(t.Context()); !errors.Is(err, p.fails) {
		t.Errorf("got %d, %v", r.ExitCode, err)
	}
}

func TestProgress(t *testing.T) {
	p := &play{states: func(after time.Duration) Observation {
		if after < 2*time.Second {
			return starting()
		}
		return seen(noon)
	}}
	g := p.gate(seen(noon))
	var lines []string
	g.Progress = func(_ time.Duration, what []Waiting) {
		for _, w := range what {
			lines = append(lines, w.String())
		}
	}
	if _, err := g.End(t.Context()); err != nil || len(lines) != 2 || lines[0] != "web.service is starting" {
		t.Errorf("got %q, %v", lines, err)
	}
}
