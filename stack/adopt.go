package stack

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// Adopt records what runs as applied, after a verify and a comparison of every
// container with the compose files. It changes no container. A container with
// stackctl's label is compared by it; one that another program made is compared
// as far as podman describes it ([asDeclared]).
func (o *Operator) Adopt(ctx context.Context, s Stack) Report {
	release, bad := lockOf(o.Env.RuntimeDir, s).take(o.Env.Now())
	if bad != nil {
		return s.failed("adopt", *bad)
	}
	defer release()
	a := adoption{stack: s, podman: o.projectPodman(s), records: o.recorder()}
	if bad := a.compare(ctx); bad != nil {
		return s.failed("adopt", *bad)
	}
	r := o.begin(ctx, a.verification(o))
	r.Verb = "adopt"
	if r.Outcome == NotApplied {
		r.Outcome = NotAdopted
	}
	if r.Outcome != Verified {
		return r
	}
	record, err := a.records.draft(ctx, s, a.plan.project)
	if err == nil {
		record.Services = a.services()
		record.Last = applied.Outcome{Step: "verify", Message: "adopted: " + r.Message, At: record.AppliedAt}
		err = a.records.write(record)
	}
	if err != nil {
		return s.failed("adopt", Problem{Outcome: Broken, Message: "what runs could not be recorded as applied", Details: lines(err)})
	}
	return s.report("adopt", Adopted, "what runs is recorded as applied: "+r.Message)
}

// adoption is one adopt of a stack.
type adoption struct {
	stack   Stack
	podman  projectPodman
	records recorder
	plan    *plan
}

// verification compares without the record, which is about to be replaced.
func (a *adoption) verification(o *Operator) *verification {
	v := o.verification(a.stack)
	v.currency.unrecorded = true
	return v
}

// compare reads the compose files and the containers, and returns a problem when
// they differ.
func (a *adoption) compare(ctx context.Context) *Problem {
	project, bad := a.stack.load(ctx, a.podman.environ)
	if bad != nil {
		return bad
	}
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	p, err := compare(limited, a.podman, a.stack, project)
	if err != nil {
		return &Problem{Outcome: NoPodman, Message: "podman does not answer", Details: lines(err), Hint: "try: podman ps"}
	}
	a.plan = p
	if found := a.differences(); len(found) > 0 {
		return &Problem{
			Outcome: NotAdopted, Message: "not adopted: " + found[0], Details: found,
			Hint: "correct the compose files, or apply them: systemctl --user restart " + a.stack.Unit,
		}
	}
	return nil
}

// differences returns a line for each way in which the containers are not what
// the compose files say.
func (a *adoption) differences() (found []string) {
	for _, s := range a.plan.services {
		if len(s.containers) != s.Replicas {
			found = append(found, fmt.Sprintf("service %s has %d containers, want %d", s.Name, len(s.containers), s.Replicas))
		}
		for _, c := range s.containers {
			label, labelled := c.Labels[applied.LabelDefinition]
			switch {
			case !labelled:
				for _, d := range (asDeclared{a.plan.model, s.Service}).differences(c) {
					found = append(found, c.Name+": "+d)
				}
			case label != s.definition:
				found = append(found, c.Name+" is of another definition than the compose files are now")
			}
		}
	}
	for _, c := range a.plan.orphans {
		found = append(found, c.Name+" is of service "+c.Labels[podman.LabelService]+", which the compose files do not have")
	}
	return found
}

// services returns the services with what is known of their containers: the
// definition only where stackctl's label says it.
func (a *adoption) services() []applied.Service {
	out := a.plan.made()
	for i, s := range a.plan.services {
		if slices.ContainsFunc(s.containers, func(c podman.Details) bool { return c.Labels[applied.LabelDefinition] == "" }) {
			out[i].Definition = ""
		}
	}
	return out
}

// asDeclared compares a container that another program made with its service:
// command, environment, labels, mounts and published ports. The image is compared
// by verify. User, networks, limits, capabilities and health check are not
// compared: programs write them in too many ways.
type asDeclared struct {
	model   compose.Model
	service compose.Service
}

func (d asDeclared) differences(c podman.Details) []string {
	return slices.Concat(d.command(c), d.environment(c), d.labels(c), d.mounts(c), d.ports(c))
}

func (d asDeclared) command(c podman.Details) []string {
	want := d.model.Services[d.service.Name].Command
	if len(want) == 0 || slices.Equal([]string(want), c.Command) {
		return nil
	}
	return []string{"its command is another one"}
}

// environment shows no values: they may be secret.
func (d asDeclared) environment(c podman.Details) (found []string) {
	want := d.model.Services[d.service.Name].Environment
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if value := want[name]; value != nil && variable(c.Environ, name) != *value {
			found = append(found, "its variable "+name+" has another value")
		}
	}
	return found
}

func (d asDeclared) labels(c podman.Details) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(d.service.Labels)) {
		if c.Labels[name] != d.service.Labels[name] {
			found = append(found, "its label "+name+" has another value")
		}
	}
	return found
}

// mounts compares what the compose files put into the container. A volume that
// the image asks for is no difference.
func (d asDeclared) mounts(c podman.Details) (found []string) {
	declared := []string{}
	for _, v := range d.model.Services[d.service.Name].Volumes {
		target, source := path.Clean(v.Target), v.Source
		if v.Type == "volume" && source != "" {
			source = d.model.Volumes[v.Source].Name
		}
		declared = append(declared, target)
		isCompared := v.Type == "bind" || v.Type == "volume"
		if isCompared && !slices.ContainsFunc(c.Mounts, func(m podman.Mount) bool { return m.Target == target && m.Type == v.Type && isSource(m, source) }) {
			found = append(found, fmt.Sprintf("it has no %s at %s from %q", v.Type, target, source))
		}
	}
	for _, m := range c.Mounts {
		if !m.IsAnonymous() && m.Type != "tmpfs" && !slices.Contains(declared, m.Target) && !d.isSecret(m) {
			found = append(found, "it has a "+m.Type+" at "+m.Target+", which the compose files do not name")
		}
	}
	return found
}

// isSource reports whether a mount is of the volume or the file of the host that
// is named; "" is an anonymous volume.
func isSource(m podman.Mount, source string) bool {
	switch {
	case m.Type == "bind":
		return path.Clean(m.Source) == path.Clean(source)
	case m.Type == "volume" && source == "":
		return m.IsAnonymous()
	case m.Type == "volume":
		return m.Name == source
	}
	return true
}

// isSecret reports whether a mount is of a secret or config of the service, which
// programs mount as files.
func (d asDeclared) isSecret(m podman.Mount) bool {
	s := d.model.Services[d.service.Name]
	for _, x := range s.Secrets {
		if file := d.model.Secrets[x.Source].File; file != "" && path.Clean(file) == path.Clean(m.Source) {
			return true
		}
	}
	for _, x := range s.Configs {
		if file := d.model.Configs[x.Source].File; file != "" && path.Clean(file) == path.Clean(m.Source) {
			return true
		}
	}
	return strings.HasPrefix(m.Target, "/run/secrets/")
}

// ports compares the ports of the host that are fixed in the compose files.
func (d asDeclared) ports(c podman.Details) (found []string) {
	for _, want := range d.service.Ports {
		if !slices.ContainsFunc(c.Ports, func(p podman.HostPort) bool { return p.Number == want.Number && p.Proto == want.Protocol }) {
			found = append(found, "it does not publish port "+want.String())
		}
	}
	return found
}
