package stack

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
)

// Apply brings the stack's containers to what the compose files say, proves
// that every one of them is of that definition, and records it. It holds the
// stack's lock to its end. Nothing is stopped before the images are there and
// what would fail has been looked for. When ctx ends, the work ends with it.
func (o *Operator) Apply(ctx context.Context, s Stack) Report {
	release, bad := lockOf(o.Env.RuntimeDir, s).take(o.Env.Now())
	if bad != nil {
		return s.failed("apply", *bad)
	}
	defer release()
	limited, cancel := context.WithTimeoutCause(ctx, s.Apply.Timeout, errTooLong)
	defer cancel()
	t := o.transaction(s)
	p := t.run(limited)
	if p == nil {
		return s.report("apply", Applied, t.summary())
	}
	r := t.failed(o.interrupted(limited, s, *p))
	if r.Outcome != ApplyFailed || !t.touched {
		return r
	}
	return o.undo(ctx, s, r, t.record, t.project)
}

var errTooLong = errors.New("the time for an apply is over (apply.timeout)")

// interrupted returns the problem, or, when something other than its own limit
// ended the apply, that it was asked to stop.
func (o *Operator) interrupted(ctx context.Context, s Stack, p Problem) Problem {
	if ctx.Err() == nil || errors.Is(context.Cause(ctx), errTooLong) {
		return p
	}
	p.Outcome, p.Message = ApplyCut, "asked to stop in the middle"
	p.Hint = "apply it again: systemctl --user restart " + s.Unit
	if o.manager(s).isStopping(ctx) {
		p.Outcome = UnitStopped
	}
	return p
}

// transaction is one apply.
type transaction struct {
	stack   Stack
	podman  projectPodman
	records recorder
	folder  string          // of sockets and files that exist only while it works
	graph   string          // podman's folder of containers and images
	scope   func() []string // put before a command whose processes stay
	output  func(line string)

	project *compose.Project
	plan    *plan
	said    complaints
	record  applied.Record // of this apply, when it succeeds
	older   []string       // of a rollback: the anonymous volumes that its containers had; nil otherwise
	touched bool           // containers may have been stopped
	needed  []string       // ids of orphans that were stopped and could not yet be removed
}

func (o *Operator) transaction(s Stack) *transaction {
	return &transaction{
		stack: s, podman: o.projectPodman(s), records: o.recorder(), folder: filepath.Dir(lockOf(o.Env.RuntimeDir, s).path),
		graph: o.graphRoot(), scope: func() []string { return o.scope(s) }, output: o.Output, said: complaints{to: o.Output},
	}
}

// scope keeps what podman starts out of the unit that runs this.
func (o *Operator) scope(s Stack) []string {
	if o.Invocation == "" || o.Scope == nil {
		return nil
	}
	scope := o.Scope("containers of stack " + s.Name)
	if scope == nil {
		o.Output("stackctl: systemd-run is not installed: a stop of " + s.Unit + " cuts the containers' ports")
	}
	return scope
}

// run does one step after the other, to the first that fails.
func (t *transaction) run(ctx context.Context) *Problem {
	provider, bad := t.read(ctx)
	if bad != nil {
		return bad
	}
	if err := t.records.hasRoom(); err != nil {
		return &Problem{Outcome: Broken, Message: "what is applied could not be recorded; the containers were left alone", Details: lines(err)}
	}
	// Taken before the containers are: what changes meanwhile counts as changed
	// since.
	var err error
	if t.record, err = t.records.draft(ctx, t.stack, t.project); err != nil {
		return &Problem{Outcome: Broken, Message: "the files of the stack cannot be read", Details: lines(err)}
	}
	if _, err := t.images(ctx); err != nil {
		bad := t.problem("an image cannot be had; the containers were left alone: "+firstLine(err), err)
		bad.Hint = roomHint(err, bad.Hint)
		return bad
	}
	if bad := t.compare(ctx); bad != nil {
		return bad
	}
	if problems, _ := rehearse(ctx, provider, t.plan.model, t.project.Environ, t.folder); len(problems) > 0 {
		problems[0].Message += "; the containers were left alone"
		return &problems[0]
	}
	if bad := t.otherVariables(ctx); bad != nil {
		bad.Message += "; the containers were left alone"
		return bad
	}
	if err := t.bringUp(ctx, provider); err != nil {
		return t.problem("the containers could not be brought to what the compose files say: "+firstLine(err), err)
	}
	if t.record.Services, err = prove(ctx, t.podman, t.stack, t.project); err != nil {
		return t.problem("not applied: "+firstLine(err), errors.Join(err, t.said.joined()))
	}
	if err := t.records.write(t.record); err != nil {
		return &Problem{Outcome: Broken, Message: "applied, but that could not be recorded", Details: lines(err)}
	}
	return nil
}

// read reads the compose files, and finds the provider that applies them.
func (t *transaction) read(ctx context.Context) (provider compose.Provider, bad *Problem) {
	if t.project, bad = t.stack.load(ctx, t.podman.environ); bad != nil {
		return provider, bad
	}
	if t.stack, bad = t.stack.withProvider(ctx, t.project); bad != nil {
		return provider, bad
	}
	return t.stack.findProvider(ctx)
}

func (t *transaction) problem(message string, err error) *Problem {
	p := &Problem{
		Outcome: ApplyFailed, Message: message, Details: lines(err),
		Hint: "see what still runs with: stackctl status " + t.stack.Name,
	}
	if t.touched {
		p.Details = append(p.Details, t.podman.states(context.Background())...)
		p.Hint = "correct that, or put the older compose files back, then: systemctl --user restart " + t.stack.Unit + "; " + p.Hint
	}
	return p
}

// compare makes the plan, and refuses one that would lose data or fail.
func (t *transaction) compare(ctx context.Context) *Problem {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	var err error
	if t.plan, err = compare(limited, t.podman, t.stack, t.project); err != nil {
		return &Problem{Outcome: NoPodman, Message: "podman does not answer", Details: lines(err), Hint: "try: podman ps"}
	}
	t.plan.older = t.older
	problems := host{podman: t.podman, plan: t.plan, graph: t.graph}.risks(limited, t.stack)
	if len(problems) == 0 {
		return nil
	}
	first := problems[0]
	first.Message += "; the containers were left alone"
	for _, p := range problems[1:] {
		first.Details = append(append(first.Details, p.Message), p.Details...)
	}
	return &first
}

func (t *transaction) summary() string {
	replaced := t.plan.names(planned.isReplaced)
	if len(replaced) == 0 {
		return "applied"
	}
	return "applied; replaced: " + strings.Join(replaced, ", ")
}

// failed records how the apply ended: what was applied before may no longer run.
func (t *transaction) failed(p Problem) Report {
	r := t.stack.failed("apply", p)
	if err := t.records.failed(t.stack, r); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return r
}

// begin records that containers may be stopped from now on, and that the apply
// has not come to its end: if it is killed, that is what remains.
func (t *transaction) begin() error {
	t.touched = true
	return t.records.failed(t.stack, t.stack.report("apply", ApplyCut, "it began to change containers and did not come to its end"))
}

const maxComplaints = 20

// complaints passes lines on and keeps what podman complained of.
type complaints struct {
	to   func(string)
	kept []string
}

func (c *complaints) line(text string) {
	if strings.HasPrefix(text, "Error: ") && len(c.kept) < maxComplaints {
		c.kept = append(c.kept, text)
	}
	c.to(text)
}

// joined is one error of all complaints, or nil.
func (c *complaints) joined() error {
	if len(c.kept) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.kept, "\n"))
}
