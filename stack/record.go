package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// failed writes the outcome of a preflight or an apply into the stack's record.
// Without one it begins one that records no apply. One that cannot be read stays
// as it is: the audit reports it.
func (w recorder) failed(s Stack, r Report) error {
	record, err := applied.Read(w.env.StateHome, s.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		record = applied.Record{Stack: s.Name, Unit: s.Unit, Project: s.Project}
	case err != nil:
		return nil
	}
	return w.writeLast(record, r)
}

// verified writes the outcome of a verify into the record of the apply that it is
// about: in a unit, the one of the same start. It does not replace the failure of
// an apply, which a later verify does not undo.
func (w recorder) verified(s Stack, r Report) error {
	record, err := applied.Read(w.env.StateHome, s.Name)
	isOther := w.invocation != "" && record.Invocation != w.invocation
	hasFailed := record.RolledBack != nil || record.Last.Step != "verify" && record.Last.Status != 0
	if err != nil || isOther || hasFailed {
		return nil
	}
	return w.writeLast(record, r)
}

func (w recorder) writeLast(record applied.Record, r Report) error {
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
