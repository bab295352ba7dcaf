package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// gate is the invariant that verify asks: an operator who changes it changes
// verify.
const gate = "stack_running"

// asks are the invariants by which a stack is up. Policies may lack those after
// the first.
func asks() []string { return []string{gate, "probes_answer"} }

// How often verify looks: often at first, when a healthy stack comes up.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = time.Second
)

// lastLook is for how long a look that was begun in time may go on.
const lastLook = 10 * time.Second

// Verify waits until the rules find nothing wrong with the stack for its settle
// time, at most for timeout; 0 is the configuration's. A container that starts
// again meanwhile begins the settle time anew, and one that ended for good is
// not waited for.
func (o *Operator) Verify(ctx context.Context, s Stack, timeout time.Duration) Report {
	r := o.verify(ctx, s, timeout)
	if err := o.remark(s, r, o.Invocation); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return r
}

func (o *Operator) verify(ctx context.Context, s Stack, timeout time.Duration) Report {
	if timeout > 0 {
		s.Verify.Timeout = timeout
		s.Verify.Settle = min(s.Verify.Settle, timeout/2)
	}
	expected, bad := o.expected(ctx, s)
	switch {
	case ctx.Err() != nil:
		return o.interrupted(s, nil, 0)
	case bad != nil:
		return o.failed("verify", s, *bad)
	}
	return o.watch(ctx, newWatcher(o, s, expected))
}

// watch looks until the stack is up, or not worth waiting for.
func (o *Operator) watch(ctx context.Context, w *watcher) Report {
	s, begin := w.stack, time.Now()
	limited, cancel := context.WithTimeout(ctx, s.Verify.Timeout+lastLook)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		l := w.look(limited)
		waited := time.Since(begin)
		switch {
		case ctx.Err() != nil:
			return o.interrupted(s, l.before, waited)
		case l.up && l.stoodFor >= s.Verify.Settle:
			return o.report("verify", s, Verified, fmt.Sprintf("%s up after %s", all(len(w.services)), round(waited)))
		case l.hopeless(), waited >= s.Verify.Timeout:
			return o.notUp(ctx, s, l, waited)
		}
		o.Progress(l.waitingFor(waited, s.Verify.Timeout))
		wait(ctx, min(pause, s.Verify.Timeout-waited))
	}
}

// interrupted tells what was found wrong last: it may be what took so long.
func (o *Operator) interrupted(s Stack, wrong []finding.Finding, waited time.Duration) Report {
	message := fmt.Sprintf("told to stop after %s", round(waited))
	if len(wrong) > 0 {
		message += "; last not up: " + strings.Join(look{findings: wrong}.culprits(), ", ")
	}
	return o.failed("verify", s, Problem{
		Outcome: VerifyCut, Message: message,
		Hint: "if nobody stopped it, TimeoutStartSec= of " + s.Unit + " is shorter than verify takes",
	})
}

// expected are the services of the compose files as they are now.
func (o *Operator) expected(ctx context.Context, s Stack) ([]facts.Service, *Problem) {
	if !slices.ContainsFunc(o.Policies.Invariants(), func(i policy.Invariant) bool { return i.ID == gate }) {
		return nil, &Problem{
			Outcome: Usage, Message: "the policies have no invariant " + gate + ", which verify asks",
			Hint: "put it back; stackpolicy policy copy writes it out",
		}
	}
	project, bad := o.project(ctx, s)
	if bad != nil {
		bad.Outcome = Usage
		return nil, bad
	}
	expected := []facts.Service{}
	for _, x := range services(project) {
		expected = append(expected, facts.Service(x))
	}
	return expected, nil
}

// notUp says which services are not up and why.
func (o *Operator) notUp(ctx context.Context, s Stack, l look, waited time.Duration) Report {
	if l.err != nil {
		return o.failed("verify", s, Problem{
			Outcome: CannotLook, Message: fmt.Sprintf("whether the stack is up could not be told for %s", round(waited)),
			Details: lines(l.err), Hint: "try: podman ps -a",
		})
	}
	outcome, how := NotInTime, "not up"
	if l.up {
		l.findings, how = l.before, "not up for long enough"
	}
	if slices.ContainsFunc(l.findings, func(d finding.Finding) bool { return slices.Contains(failures, caseOf(d)) }) {
		outcome, how = ServiceDown, "failed"
	}
	r := o.failed("verify", s, Problem{
		Outcome: outcome,
		Message: strings.TrimSuffix(fmt.Sprintf("%s after %s: %s", how, round(waited), strings.Join(l.culprits(), ", ")), ": "),
		Hint:    "mend that and apply again: systemctl --user restart " + s.Unit,
	})
	r.Details = o.blame(ctx, l)
	return r
}

// failures are the cases of a finding that is no mere delay.
var failures = []string{"exited", "unhealthy", "restarting", "restarted", "auto-restart", "none-running"}

func caseOf(d finding.Finding) string { return text(d.Evidence, "case") }

// text is a text of evidence, which operators' rules may leave out.
func text(evidence map[string]any, key string) string {
	s, _ := evidence[key].(string)
	return s
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

func all(services int) string {
	if services == 1 {
		return "its one service is"
	}
	return fmt.Sprintf("all %d services are", services)
}

var errUnmanaged = errors.New("the facts do not have the stack's unit")
