package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// How long verify waits between two observations: briefly at first, when a
// healthy stack comes up.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = time.Second
)

// lastObservation is how long an observation that was begun in time may take.
const lastObservation = 10 * time.Second

// Verify waits until the rules find nothing wrong with the stack for its settle
// time, at most for timeout; 0 is the configuration's. A container that starts
// again meanwhile begins the settle time again, and one that ended for good is
// not waited for. In a unit that asks for it, what is not up is rolled back.
func (o *Operator) Verify(ctx context.Context, s Stack, timeout time.Duration) Report {
	if timeout > 0 {
		s.Verify.Timeout = timeout
		s.Verify.Settle = min(s.Verify.Settle, timeout/2)
	}
	v := o.verification(s)
	r := o.begin(ctx, v)
	if r.Outcome == VerifyCut && o.manager(s).isStopping(ctx) {
		r.Outcome, r.Hint = UnitStopped, ""
	}
	if err := o.recorder().verified(s, r); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	if r.Outcome != Verified {
		return o.undoVerified(ctx, s, r, v.currency.project)
	}
	if err := o.keep(ctx, s, v.currency.project); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return r
}

// begin reads what a verification needs, and runs it.
func (o *Operator) begin(ctx context.Context, v *verification) Report {
	bad := v.read(ctx)
	switch {
	case ctx.Err() != nil:
		return v.interrupted(nil, 0)
	case bad != nil:
		return v.stack.failed("verify", *bad)
	}
	v.watcher = newWatcher(o.Env, o.Podman.Watch(), v.rules, v.stack, v.expected())
	return v.run(ctx)
}

// verification is one verify of a stack.
type verification struct {
	stack    Stack
	podman   projectPodman
	rules    rules
	progress func(line string)
	lock     applyLock
	currency currency
	watcher  *watcher
}

func (o *Operator) verification(s Stack) *verification {
	return &verification{
		stack: s, podman: o.projectPodman(s), rules: rules{o.Policies}, progress: o.Progress, lock: lockOf(o.Env.RuntimeDir, s),
		currency: currency{stack: s, podman: o.projectPodman(s), stateHome: o.Env.StateHome, invocation: o.Invocation},
	}
}

// read reads the compose files, and makes sure that there is a rule to ask.
func (v *verification) read(ctx context.Context) (bad *Problem) {
	if bad := v.rules.missing(); bad != nil {
		return bad
	}
	if v.currency.project, bad = v.stack.load(ctx, v.podman.environ); bad != nil {
		bad.Outcome = Usage
	}
	return bad
}

// expected returns the services of the compose files as they are now.
func (v *verification) expected() []facts.Service {
	expected := []facts.Service{}
	for _, x := range services(v.currency.project) {
		expected = append(expected, facts.Service(x))
	}
	return expected
}

// run observes until the stack is up, or not worth waiting for.
func (v *verification) run(ctx context.Context) Report {
	s, begin := v.stack, time.Now()
	limited, cancel := context.WithTimeout(ctx, s.Verify.Timeout+lastObservation)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		o := v.watcher.observe(limited)
		waited := time.Since(begin)
		switch {
		case ctx.Err() != nil:
			return v.interrupted(o.before, waited)
		case o.up && o.upFor >= s.Verify.Settle:
			r, isFinal := v.settled(ctx, waited)
			if isFinal || waited >= s.Verify.Timeout {
				return r
			}
		case o.isHopeless(), waited >= s.Verify.Timeout:
			return v.notUp(ctx, o, waited)
		}
		v.progress(o.waitingFor(waited, s.Verify.Timeout))
		wait(ctx, min(pause, s.Verify.Timeout-waited))
	}
}

// settled ends a verification whose stack is up: what runs also has to be what is
// declared. Its report is not final while an apply is at work.
func (v *verification) settled(ctx context.Context, waited time.Duration) (r Report, isFinal bool) {
	differences, err := v.currency.differences(ctx)
	switch {
	case ctx.Err() != nil:
		return v.interrupted(nil, waited), true
	case err != nil:
		return v.stack.failed("verify", Problem{
			Outcome: CannotLook, Message: "up, but what the containers are made of could not be determined: " + firstLine(err),
			Details: lines(err), Hint: "try: podman ps -a",
		}), true
	case len(differences) > 0:
		return v.stack.failed("verify", Problem{
			Outcome: NotApplied, Message: "up, but not what is declared: " + differences[0], Details: differences,
			Hint: "apply it: systemctl --user restart " + v.stack.Unit,
		}), v.lock.free() == nil
	}
	return v.stack.report("verify", Verified, fmt.Sprintf("%s up after %s", all(len(v.watcher.services)), round(waited))), true
}

// interrupted says what was found wrong last: it may be what took so long.
func (v *verification) interrupted(wrong []finding.Finding, waited time.Duration) Report {
	message := fmt.Sprintf("asked to stop after %s", round(waited))
	if len(wrong) > 0 {
		message += "; last not up: " + strings.Join(culprits(wrong), ", ")
	}
	return v.stack.failed("verify", Problem{
		Outcome: VerifyCut, Message: message,
		Hint: "if nobody stopped it, TimeoutStartSec= of " + v.stack.Unit + " is shorter than verify takes",
	})
}

// notUp says which services are not up and why.
func (v *verification) notUp(ctx context.Context, o observation, waited time.Duration) Report {
	if o.err != nil {
		return v.stack.failed("verify", Problem{
			Outcome: CannotLook, Message: fmt.Sprintf("whether the stack is up could not be determined for %s", round(waited)),
			Details: lines(o.err), Hint: "try: podman ps -a",
		})
	}
	outcome, how := NotInTime, "not up"
	if o.up {
		o.findings, how = o.before, "not up for long enough"
	}
	if slices.ContainsFunc(o.findings, func(d finding.Finding) bool { return slices.Contains(failures, caseOf(d)) }) {
		outcome, how = ServiceDown, "failed"
	}
	r := v.stack.failed("verify", Problem{
		Outcome: outcome,
		Message: strings.TrimSuffix(fmt.Sprintf("%s after %s: %s", how, round(waited), strings.Join(culprits(o.findings), ", ")), ": "),
		Hint:    "mend that and apply again: systemctl --user restart " + v.stack.Unit,
	})
	r.Details = v.podman.explain(ctx, o)
	return r
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
