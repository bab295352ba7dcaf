package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/unitfile"
)

var appliedRow = collector{
	name: "applied", limit: 5 * time.Second, fills: []string{"units.services", "units.applied"}, needs: []string{"files"},
}

// appliedFound are the document's units, each with its services and what was applied.
type appliedFound []facts.Unit

func (f appliedFound) fill(doc *facts.Document) { doc.Units = f }

// collectApplied compares the record of each stack's apply with the files that are there
// now. A record that cannot be read is a fact, not a gap: the containers of the stack can
// be judged without it.
func collectApplied(ctx context.Context, env Environment, store string, units []facts.Unit) (appliedFound, error) {
	units = slices.Clone(units)
	key := env.digestKey()
	for name, stack := range env.Config.Stacks {
		i := slices.IndexFunc(units, func(u facts.Unit) bool { return u.Name == stack.Unit })
		if i < 0 || len(stack.Compose) == 0 {
			continue
		}
		if err := compareApplied(ctx, env, store, name, &units[i]); err != nil {
			return nil, err
		}
		key.hideApplied(&units[i])
	}
	return units, nil
}

func compareApplied(ctx context.Context, env Environment, store, name string, u *facts.Unit) error {
	stack := env.Config.Stacks[name]
	defer func() {
		if u.Applied != nil {
			u.Applied.Unusable = unusable(env, stack, u.Applied)
		}
	}()
	record, err := applied.Read(env.StateHome, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.Applied = &facts.Applied{State: facts.AppliedNone, Changed: []facts.AppliedFile{}}
		return servicesOf(ctx, stack, store, u)
	case err != nil:
		u.Applied = &facts.Applied{State: facts.AppliedUnreadable, Error: err.Error(), Changed: []facts.AppliedFile{}}
		return servicesOf(ctx, stack, store, u)
	}
	if record.AppliedAt.IsZero() {
		u.Applied = &facts.Applied{
			State: facts.AppliedNone, Changed: []facts.AppliedFile{}, Busy: isBusy(env.RuntimeDir, name),
			Step: record.Last.Step, Status: record.Last.Status, Message: record.Last.Message,
		}
		return nil
	}
	found, err := definition(ctx, stack, *u, record)
	if err != nil {
		return fmt.Errorf("compare stack %s with what was applied: %w", name, err)
	}
	u.Applied = &facts.Applied{
		State: facts.AppliedRecorded, At: timeOrNil(record.AppliedAt), Invocation: record.Invocation, Stale: record.Stale,
		Project: record.Project, Busy: isBusy(env.RuntimeDir, name),
		Changed: changed(record.Files, found),
		Step:    record.Last.Step, Status: record.Last.Status, Message: record.Last.Message,
	}
	if back := record.RolledBack; back != nil {
		u.Applied.RolledBack = &facts.Undone{At: back.At, Message: back.Message}
	}
	u.ServicesFrom = facts.ServicesFromRecord
	for _, s := range record.Services {
		u.Services = append(u.Services, facts.Service(s))
	}
	return nil
}

// unusable returns the files for which stackctl's preflight refuses an apply: those that
// the configuration names and, while the compose files are those of the record, those that
// they name.
func unusable(env Environment, stack config.Stack, a *facts.Applied) (bad []facts.BadFile) {
	add := func(role, path string, err error) {
		if err != nil {
			bad = append(bad, facts.BadFile{Path: path, Role: role, Reason: err.Error()})
		}
	}
	for _, path := range stack.Compose {
		add(applied.RoleCompose, path, composeIsYAML(path))
	}
	for _, f := range stack.EnvFiles {
		add(applied.RoleEnv, f.Path, f.Check(env.UID, env.Name))
	}
	for _, f := range stack.Secrets {
		add("secret", f.Path, f.AsSecret().Check(env.UID, env.Name))
	}
	if slices.ContainsFunc(a.Changed, func(f facts.AppliedFile) bool { return f.Role == applied.RoleCompose }) {
		return bad
	}
	for _, f := range a.Changed {
		if f.Role == applied.RoleNamed && f.Found == "" {
			add(f.Role, f.Path, errors.New("is missing or cannot be read"))
		}
	}
	return bad
}

// composeIsYAML returns an error for a file that no compose program can read.
func composeIsYAML(path string) error {
	content, err := regularfile.Read(path, maxCompose)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("is missing")
	case err != nil:
		return fmt.Errorf("cannot be read: %w", err)
	}
	if err := yaml.Unmarshal(content, new(yaml.Node)); err != nil {
		return fmt.Errorf("is no YAML: %w", err)
	}
	return nil
}

// isBusy reports whether a stackctl applies or stops the stack now.
func isBusy(runtimeDir, stack string) bool {
	var held *lock.HeldError
	return errors.As(lock.Free(applied.LockPath(runtimeDir, stack)), &held)
}

// definition returns the files that an apply of the stack would use now: those of the
// unit, those that the configuration names, and those that the compose files named when
// they were applied.
func definition(ctx context.Context, stack config.Stack, u facts.Unit, record applied.Record) ([]applied.File, error) {
	env, named := []string{}, []string{}
	for _, f := range stack.EnvFiles {
		env = append(env, f.Path)
	}
	for _, f := range record.Files {
		if f.Role == applied.RoleNamed {
			named = append(named, f.Path)
		}
	}
	files := Definition(u)
	for _, from := range []struct {
		role  string
		paths []string
	}{{applied.RoleCompose, stack.Compose}, {applied.RoleEnv, env}, {applied.RoleNamed, named}} {
		more, err := Digests(ctx, from.role, from.paths)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// Digests returns the files at the given paths with their present digests.
func Digests(ctx context.Context, role string, paths []string) ([]applied.File, error) {
	files := make([]applied.File, 0, len(paths))
	for _, path := range paths {
		f, err := unitfile.Stat(ctx, path, "")
		if err != nil {
			return nil, err
		}
		files = append(files, applied.File{Path: path, Role: role, Digest: f.Digest})
	}
	return files, nil
}

// Definition returns the files that define the unit on disk now: its fragment or quadlet
// source, with drop-ins.
func Definition(u facts.Unit) []applied.File {
	files := []applied.File{}
	for _, f := range u.Files {
		if f.Defines() && f.Effective {
			files = append(files, applied.File{Path: f.Path, Role: applied.RoleUnit, Digest: f.Digest})
		}
	}
	return files
}

// changed returns the files that changed since they were applied, sorted by path. It
// compares content: a file that only moved is not changed.
func changed(was, is []applied.File) []facts.AppliedFile {
	out := []facts.AppliedFile{}
	for _, f := range was {
		now := digestAt(is, f)
		if now != f.Digest && (now != "" || !moved(f, was, is)) {
			out = append(out, facts.AppliedFile{Path: f.Path, Role: f.Role, Applied: f.Digest, Found: now})
		}
	}
	for _, f := range is {
		if indexOf(was, f) < 0 && !moved(f, is, was) {
			out = append(out, facts.AppliedFile{Path: f.Path, Role: f.Role, Found: f.Digest})
		}
	}
	slices.SortFunc(out, func(a, b facts.AppliedFile) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Role, b.Role))
	})
	return out
}

// indexOf finds the file with f's path and role, or returns -1.
func indexOf(files []applied.File, f applied.File) int {
	return slices.IndexFunc(files, func(x applied.File) bool { return x.Path == f.Path && x.Role == f.Role })
}

// digestAt returns the digest of the file with f's path and role.
func digestAt(files []applied.File, f applied.File) string {
	if i := indexOf(files, f); i >= 0 {
		return files[i].Digest
	}
	return ""
}

// moved reports whether there has a file with f's role and content, at a path that here
// does not have. A path that is in both, such as a second empty file, does not count.
func moved(f applied.File, here, there []applied.File) bool {
	return f.Digest != "" && slices.ContainsFunc(there, func(x applied.File) bool {
		return x.Role == f.Role && x.Digest == f.Digest && digestAt(here, x) == ""
	})
}
