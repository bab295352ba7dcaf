package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// collectApplied compares what stackctl recorded of each stack with what is
// there now. A record that cannot be read is a fact, not a gap: the containers
// of the stack can be judged without it.
func collectApplied(ctx context.Context, r *run) (func(), error) {
	units := slices.Clone(r.doc.Units)
	for name, stack := range r.env.Config.Stacks {
		i := slices.IndexFunc(units, func(u facts.Unit) bool { return u.Name == stack.Unit })
		if i < 0 || len(stack.Compose) == 0 {
			continue
		}
		if err := r.compareApplied(ctx, name, stack, &units[i]); err != nil {
			return nil, err
		}
	}
	return func() { r.doc.Units = units }, nil
}

func (r *run) compareApplied(ctx context.Context, name string, stack config.Stack, u *facts.Unit) error {
	record, err := applied.Read(r.env.StateHome, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.Applied = &facts.Applied{State: facts.AppliedNone, Changed: []facts.AppliedFile{}}
		return nil
	case err != nil:
		u.Applied = &facts.Applied{State: facts.AppliedUnreadable, Error: err.Error(), Changed: []facts.AppliedFile{}}
		return nil
	}
	found, err := r.definition(ctx, stack, *u, record)
	if err != nil {
		return fmt.Errorf("compare stack %s with what was applied: %w", name, err)
	}
	u.Applied = &facts.Applied{
		State: facts.AppliedRecorded, At: timeOrNil(record.AppliedAt), Invocation: record.Invocation, Stale: record.Stale,
		Changed: changed(record.Files, found),
		Step:    record.Last.Step, Status: record.Last.Status, Message: record.Last.Message,
	}
	for _, s := range record.Services {
		u.Services = append(u.Services, facts.Service(s))
	}
	return nil
}

// definition is what an apply of the stack would rest on now: the unit's files,
// what the configuration names, and what the compose files named when they were
// applied.
func (r *run) definition(ctx context.Context, stack config.Stack, u facts.Unit, record applied.Record) ([]applied.File, error) {
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

// Digests are the files at the given paths as they are now.
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

// Definition is what defines the unit on disk now: its fragment or quadlet
// source, and the drop-ins of either.
func Definition(u facts.Unit) []applied.File {
	files := []applied.File{}
	for _, f := range u.Files {
		if f.Defines() && f.Effective {
			files = append(files, applied.File{Path: f.Path, Role: applied.RoleUnit, Digest: f.Digest})
		}
	}
	return files
}

// changed lists the files that are not as they were applied, by path. Content
// counts: a file that only moved is not among them.
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

// indexOf finds the file with f's path and role; -1 when there is none.
func indexOf(files []applied.File, f applied.File) int {
	return slices.IndexFunc(files, func(x applied.File) bool { return x.Path == f.Path && x.Role == f.Role })
}

// digestAt is the digest among files of the one with f's path and role.
func digestAt(files []applied.File, f applied.File) string {
	if i := indexOf(files, f); i >= 0 {
		return files[i].Digest
	}
	return ""
}

// moved reports whether f's content is among there in the same role, at a path
// that is not among here. A file that is in both, such as a second empty one,
// does not count.
func moved(f applied.File, here, there []applied.File) bool {
	return f.Digest != "" && slices.ContainsFunc(there, func(x applied.File) bool {
		return x.Role == f.Role && x.Digest == f.Digest && digestAt(here, x) == ""
	})
}
