package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/unitfile"
)

// secretLabel matches the keys of labels whose values are not recorded.
var secretLabel = lazyregexp.New(`(?i)passw|secret|token|api_?key|credential|private`)

// collectPodman fills podman and each unit's containers, from the listing that was started
// before the other collectors.
func collectPodman(ctx context.Context, r *run) (func(), error) {
	listing, err := await(ctx, r.listing)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("podman did not answer within %s", podmanLimit)
	}
	if err != nil {
		return nil, err
	}
	states, err := r.labelledUnits(ctx, listing.Containers)
	if err != nil {
		return nil, err
	}
	p := &facts.Podman{Present: listing.Present, Transport: listing.Transport, Unowned: []facts.Container{}}
	if timer, ok := r.loaded[autoUpdateTimer]; ok {
		act := activity(timer)
		p.AutoUpdateTimer = &act
	}
	owned := map[string][]facts.Container{}
	for _, c := range listing.Containers {
		container := containerFrom(c, states, r.env.Now())
		if owner := r.owner(container); owner != "" {
			owned[owner] = append(owned[owner], container)
		} else {
			p.Unowned = append(p.Unowned, container)
		}
	}
	return func() {
		r.doc.Podman = p
		r.assign(owned)
	}, nil
}

// labelledUnits asks the manager for the units that containers name. It returns their load
// states by name; none without a manager.
func (r *run) labelledUnits(ctx context.Context, containers []podman.Container) (map[string]string, error) {
	states := map[string]string{}
	var names []string
	for _, c := range containers {
		name := c.Labels[podman.LabelUnit]
		switch l, listed := r.listed[name]; {
		case listed:
			states[name] = l.LoadState
		case unitfile.Valid(name) && !unitfile.IsTemplate(name):
			names = append(names, name)
		}
	}
	if r.conn == nil || len(names) == 0 {
		return states, nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	units, err := readUnits(ctx, r.conn, r.listed, names)
	for name, u := range units {
		states[name] = u.LoadState
	}
	return states, err
}

// Relist only lists the containers and runs the probes again, for a caller that waits for
// them. It does not ask for the units that labels name.
func Relist(ctx context.Context, env Environment, d *facts.Document) {
	for i := range d.Units {
		d.Units[i].Containers, d.Units[i].Probes = []facts.Container{}, []facts.Probe{}
	}
	d.Podman = nil
	r := newRun(ctx, env)
	r.doc, r.managed = d, map[string]string{}
	for _, u := range d.Units {
		r.managed[u.Name] = u.ManagedBy
	}
	r.listing = begin(ctx, podmanLimit, env.Podman.Containers)
	r.beginProbes()
	r.do(ctx, podmanCollector())
	r.do(ctx, probesCollector())
}

func containerFrom(c podman.Container, states map[string]string, now time.Time) facts.Container {
	out := facts.Container{
		ID: c.ID, Name: c.Name, Image: c.Image, ImageID: c.ImageID, Pod: c.Pod, Infra: c.Infra, State: c.State, Health: c.Health,
		Check: healthCheck(c, now), ExitCode: c.ExitCode, Restarts: c.Restarts, RestartPolicy: c.RestartPolicy,
		CreatedAt: timeOrNil(c.CreatedAt), StartedAt: timeOrNil(c.StartedAt), FinishedAt: timeOrNil(c.FinishedAt),
		Project: or(c.Labels[podman.LabelProject], c.Labels[podman.LabelProjectOwn]), Service: c.Labels[podman.LabelService],
		AutoUpdate: c.Labels[podman.LabelAutoUpdate], Labels: map[string]string{},
	}
	if name, ok := c.Labels[podman.LabelUnit]; ok {
		valid := unitfile.Valid(name) && !unitfile.IsTemplate(name)
		out.UnitLabel = &facts.UnitLabel{Name: name, Valid: valid, LoadState: states[name]}
	}
	for k, v := range c.Labels {
		if secretLabel.Get().MatchString(k) {
			v = "(masked)"
		}
		out.Labels[k] = v
	}
	return out
}

// owner returns the managed unit that a container belongs to: the unit that its label
// names, or the unit of the configured stack of its compose project. The label alone is
// not enough: podman-compose writes the name of a unit that does not exist.
func (r *run) owner(c facts.Container) string {
	if c.UnitLabel != nil && r.manages(c.UnitLabel.Name) {
		return c.UnitLabel.Name
	}
	for _, s := range r.env.Config.Stacks {
		if c.Project != "" && s.Project == c.Project {
			return s.Unit
		}
	}
	return ""
}

func (r *run) manages(name string) bool { return r.managed[name] != "" }

// assign puts containers under their units. A unit with containers is a stack, named like
// their project or like the unit.
func (r *run) assign(owned map[string][]facts.Container) {
	for i := range r.doc.Units {
		u := &r.doc.Units[i]
		containers := owned[u.Name]
		if len(containers) == 0 {
			continue
		}
		u.Containers = containers
		if u.Stack == "" {
			stem, _ := unitfile.Split(u.Name)
			u.Stack = or(containers[0].Project, stem)
		}
	}
}
