package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/podman"
)

// Apply brings the stack's containers to what the compose files say, proves
// that every one of them is of that definition, and records it. It holds the
// stack's lock to its end. Nothing is stopped before the images are there and
// what would fail has been looked for. When ctx ends, the work ends with it.
func (o *Operator) Apply(ctx context.Context, s Stack) Report {
	release, err := lock.Take(o.lockPath(s), o.Env.Now())
	if p := o.locked(s, err); p != nil {
		return o.failed("apply", s, *p)
	}
	defer release()
	ctx, cancel := context.WithTimeoutCause(ctx, s.Apply.Timeout, errTooLong)
	defer cancel()
	t := &transaction{Operator: o, stack: s}
	if p := t.run(ctx); p != nil {
		return o.applyFailed(s, o.cut(ctx, s, *p))
	}
	return o.report("apply", s, Applied, t.summary())
}

// transaction is one apply.
type transaction struct {
	*Operator
	stack   Stack
	project *compose.Project
	plan    *plan
	said    complaints
	touched bool // containers may have been stopped
}

// run does one step after the other, to the first that fails.
func (t *transaction) run(ctx context.Context) *Problem {
	project, bad := t.Operator.project(ctx, t.stack)
	if bad != nil {
		return bad
	}
	t.project, t.said.to = project, t.Output
	if t.stack, bad = t.chosen(ctx, t.stack, project); bad != nil {
		return bad
	}
	provider, bad := t.provider(ctx, t.stack, project)
	if bad != nil {
		return bad
	}
	if err := hasRoom(t.Env.StateHome); err != nil {
		return &Problem{Outcome: Broken, Message: "what is applied could not be recorded; the containers were left alone", Details: lines(err)}
	}
	// Taken before the containers are: what changes meanwhile counts as changed
	// since.
	record, err := t.newRecord(ctx, t.stack, project)
	if err != nil {
		return &Problem{Outcome: Broken, Message: "the files of the stack cannot be read", Details: lines(err)}
	}
	if err := t.images(ctx); err != nil {
		return t.problem("an image cannot be had; the containers were left alone", err)
	}
	if bad := t.compare(ctx); bad != nil {
		return bad
	}
	if err := t.bringUp(ctx, provider); err != nil {
		return t.problem("the containers could not be brought to what the compose files say: "+firstLine(err), err)
	}
	if err := t.prove(ctx, t.stack, project); err != nil {
		return t.problem("not applied: "+firstLine(err), errors.Join(err, t.said.last()))
	}
	if err := applied.Write(t.Env.StateHome, record); err != nil {
		return &Problem{Outcome: Broken, Message: "applied, but that could not be recorded", Details: lines(err)}
	}
	return nil
}

func (t *transaction) problem(message string, err error) *Problem {
	p := &Problem{
		Outcome: ApplyFailed, Message: message, Details: lines(err),
		Hint: "see what still runs with: stackctl status " + t.stack.Name,
	}
	if t.touched {
		p.Details = append(p.Details, t.states(context.Background(), t.stack)...)
	}
	return p
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// compare makes the plan, and refuses one that would lose data or fail.
func (t *transaction) compare(ctx context.Context) *Problem {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	var err error
	if t.plan, err = t.newPlan(limited, t.stack, t.project); err != nil {
		return &Problem{Outcome: NoPodman, Message: "podman does not answer", Details: lines(err), Hint: "try: podman ps"}
	}
	problems := t.risks(limited, t.stack, t.plan)
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

// risks are what makes a plan one that must not be carried out.
func (o *Operator) risks(ctx context.Context, s Stack, p *plan) []Problem {
	problems := o.losses(ctx, s, p)
	for _, err := range o.holders(ctx, p.replaced()) {
		problems = append(problems, blocked("stop and remove that container, or start it from the stack's compose file", "%v", err))
	}
	problems = append(problems, host{podman: o.Podman, plan: p, graph: o.graphRoot()}.problems(ctx)...)
	slices.SortStableFunc(problems, worst)
	return problems
}

// graphRoot is where rootless podman keeps its containers, unless
// containers-storage.conf(5) says another folder.
func (o *Operator) graphRoot() string {
	data := o.variable("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(o.Env.Home, ".local", "share")
	}
	return filepath.Join(data, "containers", "storage")
}

func (o *Operator) variable(name string) string {
	for _, entry := range o.Environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func (t *transaction) summary() string {
	replaced := t.plan.names(func(s planned) bool { return s.replace != "" })
	if len(replaced) == 0 {
		return "applied"
	}
	return "applied; replaced: " + strings.Join(replaced, ", ")
}

// hasRoom writes as much as a record may need, and takes it away again.
func hasRoom(stateHome string) error {
	dir := applied.Folder(stateHome)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".room-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, 64<<10)); err != nil {
		return fmt.Errorf("%s has no room: %w", dir, err)
	}
	return f.Sync()
}

func isUp(c podman.Container) bool { return c.State == "running" }

var errTooLong = errors.New("the time for an apply is over (apply.timeout)")

// cut is the problem, or that the apply was told to stop: not by its own limit.
func (o *Operator) cut(ctx context.Context, s Stack, p Problem) Problem {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTooLong) {
		p.Outcome, p.Message = ApplyCut, "told to stop in the middle"
		p.Hint = "apply it again: systemctl --user restart " + s.Unit
	}
	return p
}

const maxComplaints = 20

// applyFailed marks the record of the apply before: what it applied may no
// longer run.
func (o *Operator) applyFailed(s Stack, p Problem) Report {
	r := o.failed("apply", s, p)
	if err := o.remark(s, r, ""); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return r
}
