package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"stackpolicy/applied"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/compose"
)

// remark writes the outcome of a verb into the stack's record, where there is
// one; with an invocation, only into that invocation's.
func (o *Operator) remark(s Stack, r Report, invocation string) error {
	record, err := applied.Read(o.Env.StateHome, s.Name)
	if err != nil || invocation != "" && record.Invocation != invocation {
		return nil // none, or not ours: the audit tells of one that is damaged
	}
	record.Last = applied.Outcome{Step: r.Verb, Status: r.Outcome.Status, Message: r.Message, At: o.Env.Now().UTC()}
	return applied.Write(o.Env.StateHome, record)
}

func (o *Operator) newRecord(ctx context.Context, s Stack, project *compose.Project) (applied.Record, error) {
	now := o.Env.Now().UTC()
	r := applied.Record{
		Stack: s.Name, Unit: s.Unit, Project: project.Name, AppliedAt: now, Invocation: o.Invocation,
		Services: services(project), Last: applied.Outcome{Step: "apply", Message: "applied", At: now},
	}
	var err error
	if r.Definition, err = definition(ctx, s, project); err != nil {
		return r, err
	}
	r.Stale = true // until the manager says otherwise
	if u := unitIn(collect.Collect(ctx, o.Env), s.Unit); u != nil {
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

func services(project *compose.Project) []applied.Service {
	out := []applied.Service{}
	for _, s := range project.Services {
		out = append(out, applied.Service{
			Name: s.Name, Containers: s.Replicas, OneShot: s.OneShot, HealthCheck: s.HealthCheck,
		})
	}
	return out
}

// source is files in one role.
type source struct {
	role  string
	paths []string
}

// sources are all files but the unit's that an apply rests on.
func sources(s Stack, project *compose.Project) []source {
	env, named := []string{}, []string{}
	for _, f := range s.EnvFiles {
		env = append(env, f.Path)
	}
	for _, path := range project.Files {
		if !slices.Contains(s.Compose, path) {
			named = append(named, path)
		}
	}
	for _, f := range project.EnvFiles {
		named = append(named, f.Path)
	}
	slices.Sort(named)
	return []source{{applied.RoleCompose, s.Compose}, {applied.RoleEnv, env}, {applied.RoleNamed, slices.Compact(named)}}
}

// definition is a digest over all that decides what the containers are: also
// the secrets' content, as a container keeps the file that it was started with
// when another one takes its place.
func definition(ctx context.Context, s Stack, project *compose.Project) (string, error) {
	paths := []string{}
	for _, f := range s.Secrets {
		paths = append(paths, f.Path)
	}
	for _, f := range project.Secrets {
		paths = append(paths, f.Path)
	}
	slices.Sort(paths)
	secrets, err := collect.Digests(ctx, "secret", slices.Compact(paths))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, project.Digest)
	for _, f := range secrets {
		fmt.Fprintln(sum, f.Path, f.Digest)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

func unitIn(doc *facts.Document, name string) *facts.Unit {
	for i := range doc.Units {
		if doc.Units[i].Name == name {
			return &doc.Units[i]
		}
	}
	return nil
}
