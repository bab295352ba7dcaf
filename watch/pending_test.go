package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// A storm costs bounded memory, and afterwards anything may have changed.
func TestPendingIsBounded(t *testing.T) {
	p := newPending()
	for i := range 3 * maxPending {
		managerChanged(p)(ManagerEvent{Unit: fmt.Sprint(i, ".service")})
	}
	got := p.take()
	if !got.Whole || !got.structure || len(got.Units) > maxPending {
		t.Errorf("whole %v, %d units", got.Whole, len(got.Units))
	}
	if p.has() {
		t.Error("what was taken is still there")
	}
}

// Changes settle, but those that never end do not delay a verdict for ever.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending()
		began := time.Now()
		go func() {
			for time.Since(began) < 10*time.Second {
				p.whole()
				time.Sleep(quiet / 2)
			}
		}()
		<-p.wake
		p.settle(t.Context(), quiet, latest)
		if took := time.Since(began); took < latest || took > latest+quiet {
			t.Errorf("changes without an end settled after %s", took)
		}
		time.Sleep(10 * time.Second) // until there are no more
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPending()
		began := time.Now()
		p.whole()
		p.settle(t.Context(), quiet, latest)
		if took := time.Since(began); took != quiet {
			t.Errorf("one change settled after %s", took)
		}
		p.take()
		p.settle(t.Context(), quiet, latest) // nothing to wait for
		if took := time.Since(began); took != quiet {
			t.Errorf("nothing settled after %s", took)
		}
	})
}

// A source that is lost is said once, tried again after longer and longer pauses, and makes a
// whole collection each time it comes or goes.
func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var said []string
		s := &sources{pending: newPending(), say: func(text string) { said = append(said, text) }, lost: map[string]string{}}
		attempts := []time.Duration{}
		began := time.Now()
		go s.follow(ctx, ManagerSource, func(ctx context.Context, ready func()) error {
			attempts = append(attempts, time.Since(began))
			if len(attempts) == 4 {
				ready()
				<-ctx.Done()
			}
			return errors.New("no bus")
		})
		time.Sleep(5 * time.Second)
		if missing := s.missing(); len(missing) != 1 || missing[0] != ManagerSource {
			t.Errorf("lost: %v", missing)
		}
		time.Sleep(time.Minute)
		if want := "[0s 1s 3s 7s]"; fmt.Sprint(attempts) != want {
			t.Errorf("tried after %v; want %s", attempts, want)
		}
		if len(s.missing()) > 0 || len(said) != 2 || !strings.Contains(said[0], "no bus") || !strings.Contains(said[1], "again") {
			t.Errorf("lost %v, said %q", s.missing(), said)
		}
		if !s.pending.take().Whole {
			t.Error("what happened while it was lost is not looked for")
		}
		cancel()
		synctest.Wait()
	})
}

// What was found before by a rule that cannot be decided now is unknown, and has not gone.
func TestUndecidedIsNotAllowed(t *testing.T) {
	var shown []string
	l := &loop{Watch: Watch{
		Beat: func(Health) {}, Undecided: func(context.Context, error) {},
		Show: func(l Line) {
			shown = append(shown, fmt.Sprintf("%s %s %s %s", l.Subject, l.Invariant, l.Effect, l.Severity))
		},
	}}
	bad := finding.Finding{Invariant: "a", Subject: "x.service", Effect: finding.Block, Severity: finding.Page, Message: "bad"}
	gap := finding.Finding{Invariant: "a", Subject: finding.Host, Effect: finding.Block, Severity: finding.Unknown, Message: "podman is silent"}
	for _, c := range []struct {
		what string
		do   func()
		want string
	}{
		{"the first verdict", func() { l.showVerdict(found()) }, "[   ]"},
		{"found", func() { l.showVerdict(found(bad)) }, "[x.service a block page]"},
		{"a gap", func() { l.showVerdict(found(gap)) }, "[host a block unknown x.service a block unknown]"},
		{"still", func() { l.showVerdict(found(gap)) }, "[]"},
		{"gone meanwhile", func() { l.showVerdict(found()) }, "[host a allow  x.service a allow ]"},
		{"found again", func() { l.showVerdict(found(bad)) }, "[x.service a block page]"},
		{"no rules", func() { l.undecided(t.Context(), errors.New("no rules")) }, "[host audit_complete block unknown x.service a block unknown]"},
		{"rules", func() { l.showVerdict(found(bad)) }, "[host audit_complete allow  x.service a block page]"},
	} {
		shown = []string{}
		c.do()
		if got := fmt.Sprint(shown); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func found(findings ...finding.Finding) verdict {
	return verdictOf(&audit.Report{Decisions: findings})
}

// Of several findings of one invariant on one subject, the worst that counts is the verdict.
func TestChanges(t *testing.T) {
	block := finding.Finding{Invariant: "a", Subject: "x.service", Effect: finding.Block, Severity: finding.Page, Message: "bad"}
	ticket, heal, waived := block, block, block
	ticket.Severity, ticket.Message = finding.Ticket, "odd"
	heal.Effect, heal.Severity = finding.Heal, finding.Ticket
	waived.Waiver = &finding.Waiver{}
	allow := finding.Finding{Invariant: "a", Subject: "x.service", Effect: finding.Allow}
	other := block
	other.Subject = "b.service"
	for name, c := range map[string]struct {
		before, now verdict
		want        string
	}{
		"nothing":              {found(), found(allow), ""},
		"found":                {found(), found(block), "x.service a allow->block page"},
		"gone":                 {found(block), found(allow), "x.service a block->allow "},
		"worse":                {found(ticket), found(ticket, block), "x.service a block->block page"},
		"the order is no news": {found(ticket, block), found(block, ticket), ""},
		"a heal and an alert":  {found(heal), found(heal, ticket), "x.service a heal->block ticket"},
		"waived":               {found(block), found(waived), "x.service a block->block page waived"},
		"in order":             {found(), found(block, other), "b.service a allow->block page, x.service a allow->block page"},
	} {
		var got []string
		for _, l := range changes(c.before, c.now, time.Now()) {
			text := fmt.Sprintf("%s %s %s->%s %s", l.Subject, l.Invariant, l.Was, l.Effect, l.Severity)
			if l.Waived {
				text += " waived"
			}
			got = append(got, text)
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

// A collector that fails for long is asked less often, but at least once in a tick.
func TestRecollect(t *testing.T) {
	pause := time.Duration(0)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if pause = recollect(pause, true); pause != want*time.Second {
			t.Errorf("%s, want %d s", pause, want)
		}
	}
	if pause = recollect(pause, false); pause != 0 {
		t.Errorf("%s although nothing failed", pause)
	}
}

// After files could not be followed anything may have changed, the configuration too.
func TestFoundFilesReadTheConfigurationAgain(t *testing.T) {
	for _, name := range Sources() {
		s := &sources{pending: newPending(), say: func(string) {}, lost: map[string]string{name: "gone"}}
		s.found(name)
		if got := s.pending.take(); !got.Whole || got.again != (name == FilesSource) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
