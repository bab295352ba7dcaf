package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// rollback brings back what was verified last, after an apply that failed or that
// verify refused. It is an apply of the saved compose file, with all that an apply
// looks at and keeps, and with the images of then. It holds the stack's lock.
//
// Data stays as it is: what a newer program or a migration wrote is not undone.
type rollback struct {
	operator  *Operator
	stack     Stack
	why       Report           // how the apply or its verify ended
	attempted applied.Record   // what the apply would have recorded
	project   *compose.Project // that was applied
	verify    func(context.Context, Stack) Report

	verified applied.Verified
	moved    map[string]string // the image that a name meant before, by name
}

// undo rolls the stack back where it asks for that. It returns how the verb ends,
// and records it.
func (o *Operator) undo(ctx context.Context, s Stack, why Report, attempted applied.Record, project *compose.Project) Report {
	if s.OnFailure != config.Rollback {
		why.Message += "; not rolled back: on_failure is keep"
		return why
	}
	b := &rollback{
		operator: o, stack: s, why: why, attempted: attempted, project: project, moved: map[string]string{},
		verify: func(ctx context.Context, s Stack) Report { return o.begin(ctx, o.verification(s)) },
	}
	return b.recorded(ctx)
}

// undoVerified does it for a verify that refused what the same start of the unit has
// applied. A verify by hand changes nothing.
func (o *Operator) undoVerified(ctx context.Context, s Stack, why Report, project *compose.Project) Report {
	record, err := applied.Read(o.Env.StateHome, s.Name)
	isOwn := err == nil && o.Invocation != "" && record.Invocation == o.Invocation && record.RolledBack == nil
	if s.OnFailure != config.Rollback || !isOwn || why.Outcome != ServiceDown && why.Outcome != NotInTime {
		return why
	}
	release, bad := lockOf(o.Env.RuntimeDir, s).take(o.Env.Now())
	if bad != nil {
		why.Message += "; not rolled back: " + bad.Message
		return why
	}
	defer release()
	return o.undo(ctx, s, why, record, project)
}

func (b *rollback) recorded(ctx context.Context) Report {
	r := b.run(ctx)
	if err := b.operator.recorder().failed(b.stack, r); err != nil {
		r.Details = append(r.Details, err.Error())
	}
	return r
}

func (b *rollback) run(ctx context.Context) Report {
	o, s := b.operator, b.stack
	limited, cancel := context.WithTimeoutCause(ctx, s.Apply.Timeout, errTooLong)
	defer cancel()
	if obstacle := b.obstacle(limited); obstacle != "" {
		return b.left(obstacle)
	}
	file, remove, err := b.file()
	if err != nil {
		return b.left(firstLine(err))
	}
	defer remove()
	old := s
	old.Compose, old.EnvFiles = []string{file}, nil
	t := o.transaction(old)
	bad := b.apply(limited, t)
	switch {
	case bad != nil && ctx.Err() != nil:
		return s.failed(b.why.Verb, o.interrupted(ctx, s, *bad))
	case bad != nil && !t.touched:
		b.restoreNames(limited)
		return b.left(bad.Message)
	case bad != nil:
		return b.end(BackFailed, "the rollback failed: "+bad.Message, bad.Details)
	}
	r := b.verify(ctx, old)
	if r.Outcome == VerifyCut && o.manager(s).isStopping(ctx) {
		return b.end(UnitStopped, "rolled back, and stopped before that was verified", nil)
	}
	outcome, says := RolledBack, "rolled back to what was applied "+minute(b.verified.Record.AppliedAt)+", which is up"
	if r.Outcome != Verified {
		outcome, says = BackFailed, "rolled back to what was applied "+minute(b.verified.Record.AppliedAt)+", which is not up: "+r.Message
	}
	return b.end(outcome, says, r.Details)
}

// minute is a time as messages show it.
func minute(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }

// obstacle says why nothing is to be brought back; "" when nothing is in the way.
func (b *rollback) obstacle(ctx context.Context) string {
	var err error
	b.verified, err = applied.ReadVerified(b.operator.Env.StateHome, b.stack.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "nothing was verified before"
	case err != nil:
		return firstLine(err)
	case b.verified.Record.Project != b.stack.Project:
		return "what was verified before is compose project " + b.verified.Record.Project
	}
	pods := b.operator.projectPodman(b.stack)
	now, err := pods.client.ImageIDs(ctx, b.names())
	if err != nil {
		return firstLine(err)
	}
	isSame := !slices.ContainsFunc(b.verified.Images, func(i applied.Image) bool { return now[i.Name] != i.ID })
	if isSame && b.verified.Record.Definition == b.attempted.Definition {
		return "what was verified before is the same"
	}
	containers, err := pods.containers(ctx)
	if err != nil {
		return firstLine(err)
	}
	for _, c := range containers {
		if isRunning(c) && b.isOneShot(c.Labels[podman.LabelService]) {
			return "one-shot " + c.Name + " is still at work, and would be cut off"
		}
	}
	return ""
}

// names of the images.
func (b *rollback) names() (names []string) {
	for _, i := range b.verified.Images {
		names = append(names, i.Name)
	}
	return names
}

func (b *rollback) isOneShot(service string) bool {
	return slices.ContainsFunc(b.project.Services, func(s compose.Service) bool { return s.Name == service && s.OneShot })
}

// file writes the saved compose file, for as long as the rollback works.
func (b *rollback) file() (path string, remove func(), err error) {
	path = filepath.Join(filepath.Dir(lockOf(b.operator.Env.RuntimeDir, b.stack).path), "verified-"+b.stack.Name+".yaml")
	err = os.WriteFile(path, []byte(b.verified.Compose), 0o600)
	return path, func() { _ = os.Remove(path) }, err
}

// apply applies the saved compose file, and records that.
func (b *rollback) apply(ctx context.Context, t *transaction) *Problem {
	provider, bad := t.read(ctx)
	if bad != nil {
		return bad
	}
	t.project.Inactive = b.verified.Inactive
	t.older = b.verified.Volumes
	if err := b.nameImages(ctx, t.podman); err != nil {
		return t.problem(firstLine(err), err)
	}
	if bad := t.compare(ctx); bad != nil {
		return bad
	}
	t.output("stackctl: rolling back: " + b.why.Message)
	if err := t.bringUp(ctx, provider); err != nil {
		return t.problem(firstLine(err), err)
	}
	record := b.verified.Record
	var err error
	if record.Services, err = prove(ctx, t.podman, t.stack, t.project); err != nil {
		return t.problem(firstLine(err), errors.Join(err, t.said.joined()))
	}
	record.Invocation = b.operator.Invocation
	record.RolledBack = &applied.RolledBack{
		At: b.operator.Env.Now().UTC(), Definition: b.attempted.Definition, Message: b.why.Message, Restarts: b.operator.manager(b.stack).restarts(ctx),
	}
	if err := t.records.writeLast(record, b.end(BackFailed, "rolled back, but not verified", nil)); err != nil {
		return &Problem{Outcome: Broken, Message: "rolled back, but that could not be recorded", Details: lines(err)}
	}
	return nil
}

// nameImages makes the images' names mean those of then, as the rollback of podman
// auto-update does.
func (b *rollback) nameImages(ctx context.Context, pods projectPodman) error {
	now, err := pods.client.ImageIDs(ctx, b.names())
	if err != nil {
		return err
	}
	for _, i := range b.verified.Images {
		if now[i.Name] == i.ID {
			continue
		}
		here, err := pods.client.ImageIDs(ctx, []string{i.ID})
		if err != nil {
			return err
		}
		if here[i.ID] == "" {
			return fmt.Errorf("the image that %s meant is gone (%.12s)", i.Name, i.ID)
		}
		if err := pods.command().Tag(ctx, i.ID, i.Name, pods.environ); err != nil {
			return err
		}
		b.moved[i.Name] = now[i.Name]
	}
	return nil
}

// restoreNames undoes nameImages, as nothing was rolled back.
func (b *rollback) restoreNames(ctx context.Context) {
	pods := b.operator.projectPodman(b.stack)
	for name, id := range b.moved {
		if id == "" {
			continue
		}
		if err := pods.command().Tag(ctx, id, name, pods.environ); err != nil {
			b.why.Details = append(b.why.Details, err.Error())
		}
	}
}

// left returns the report of the failure, and why it was not undone.
func (b *rollback) left(obstacle string) Report {
	b.why.Message += "; not rolled back: " + obstacle
	return b.why
}

// end returns the report of what became of the failure.
func (b *rollback) end(outcome Outcome, says string, details []string) Report {
	r := b.stack.report(b.why.Verb, outcome, says+"; before that: "+b.why.Message)
	r.Details = append(slices.Clone(details), b.why.Details...)
	r.Hint = "correct the compose files, then: systemctl --user restart " + b.stack.Unit
	return r
}

// heldBack returns a problem when the manager tries again what was rolled back: it
// would be rolled back again, and the stack would be down each time. Somebody who
// restarts the unit means it.
func (x *preflight) heldBack(ctx context.Context, project *compose.Project) *Problem {
	record, err := applied.Read(x.stateHome, x.stack.Name)
	if err != nil || record.RolledBack == nil || x.manager.restarts(ctx) <= record.RolledBack.Restarts {
		return nil
	}
	definition, err := projectDefinition(ctx, x.stack, project)
	if err != nil || definition != record.RolledBack.Definition {
		return nil
	}
	return &Problem{
		Outcome: HeldBack,
		Message: fmt.Sprintf("not tried again, as it was rolled back %s: %s", minute(record.RolledBack.At), record.RolledBack.Message),
		Hint:    "correct the compose files; or try the same again: systemctl --user restart " + x.stack.Unit,
	}
}

// longestRollback is how long a command of the unit takes at most when it rolls back: an
// apply, or a verify, and then an apply and a verify of the older definition. Each command
// of a start has the whole of TimeoutStartSec= for itself (systemd 252 and 257).
func (s Stack) longestRollback() time.Duration {
	return max(s.Apply.Timeout, s.Verify.Timeout) + s.Apply.Timeout + s.Verify.Timeout
}

// shortStart is a note where the manager would end a rollback before its time is over:
// then neither the newer definition runs nor the older one.
func (x *preflight) shortStart(ctx context.Context) []string {
	if x.stack.OnFailure != config.Rollback {
		return nil
	}
	limit, isLimited := x.manager.startLimit(ctx)
	needed := x.stack.longestRollback()
	if !isLimited || needed <= limit {
		return nil
	}
	return []string{fmt.Sprintf("a rollback may need %s by apply.timeout and verify.timeout, and %s has %s: write TimeoutStartSec=%d or more, or a shorter apply.timeout",
		needed, x.stack.Unit, limit, int((needed + time.Minute).Seconds()))}
}
