package stack

import (
	"context"
	"fmt"
	"os"

	"stackpolicy/applied"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/compose"
)

// recorder writes what was applied, and how the last apply ended.
type recorder struct {
	env        collect.Environment
	invocation string // of the unit that runs this; "" by hand
}

// remark writes the outcome of a verb into the stack's record, where there is
// one; with an invocation, only into that invocation's.
func (w recorder) remark(s Stack, r Report, invocation string) error {
	record, err := applied.Read(w.env.StateHome, s.Name)
	if err != nil || invocation != "" && record.Invocation != invocation {
		return nil // none, or not ours: the audit reports one that is damaged
	}
	record.Last = applied.Outcome{Step: r.Verb, Status: r.Outcome.Status, Message: r.Message, At: w.env.Now().UTC()}
	return w.write(record)
}

func (w recorder) write(record applied.Record) error { return applied.Write(w.env.StateHome, record) }

// draft returns the record of an apply that is about to begin and will succeed.
func (w recorder) draft(ctx context.Context, s Stack, project *compose.Project) (applied.Record, error) {
	now := w.env.Now().UTC()
	r := applied.Record{
		Stack: s.Name, Unit: s.Unit, Project: project.Name, AppliedAt: now, Invocation: w.invocation,
		Services: services(project), Last: applied.Outcome{Step: "apply", Message: "applied", At: now},
	}
	var err error
	if r.Definition, err = projectDefinition(ctx, s, project); err != nil {
		return r, err
	}
	if r.Secrets, err = secretsDigest(ctx, s, project); err != nil {
		return r, err
	}
	r.Stale = true // until the manager says otherwise
	if u := unitIn(collect.Collect(ctx, w.env), s.Unit); u != nil {
		r.Stale, r.Files = u.Stale(), collect.Definition(*u)
	}
	for _, from := range sources(s, project) {
		files, err := collect.Digests(ctx, from.role, from.paths)
		if err != nil {
			return r, err
		}
		r.Files = append(r.Files, files...)
	}
	return r, nil
}

// hasRoom writes as much as a record may need, and removes it again.
func (w recorder) hasRoom() error {
	dir := applied.Folder(w.env.StateHome)
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

// unitIn finds a unit in the facts; nil when they do not have it.
func unitIn(doc *facts.Document, name string) *facts.Unit {
	for i := range doc.Units {
		if doc.Units[i].Name == name {
			return &doc.Units[i]
		}
	}
	return nil
}
