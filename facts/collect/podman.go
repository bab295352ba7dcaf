package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/unitfile"
)

// secretLabel matches the keys of labels whose values are not recorded.
var secretLabel = lazyregexp.New(`(?i)passw|secret|token|api_?key|credential|private`)

var podmanRow = collector{name: "podman", limit: podmanLimit + time.Second, fills: []string{"podman", "units.containers"}}

const podmanLimit = 5 * time.Second // podman can hang, for example on its storage lock

// containersFound are podman as a whole, and the containers of each managed unit.
type containersFound struct {
	podman facts.Podman
	owned  map[string][]facts.Container
}

// collectPodman waits for the listing that was started before the other collectors.
func collectPodman(ctx context.Context, env Environment, listing <-chan answer[podman.Listing], loaded loadedUnits) (containersFound, error) {
	found := containersFound{owned: map[string][]facts.Container{}}
	listed, err := await(ctx, listing)
	if errors.Is(err, context.DeadlineExceeded) {
		return found, fmt.Errorf("podman did not answer within %s", podmanLimit)
	}
	if err != nil {
		return found, err
	}
	states, err := labelledUnits(ctx, loaded, listed.Containers)
	if err != nil {
		return found, err
	}
	found.podman = facts.Podman{Present: listed.Present, Transport: listed.Transport, Unowned: []facts.Container{}}
	if timer, ok := loaded.loaded[autoUpdateTimer]; ok {
		act := activity(timer)
		found.podman.AutoUpdateTimer = &act
	}
	room, key := maxLabels, env.digestKey()
	for _, c := range listed.Containers {
		container := containerFrom(c, states, env.Now())
		container.Labels, container.LabelsLeft = labels(c, &room)
		key.hideLabels(container.Labels)
		if owner := ownerOfContainer(container, loaded.managed, env.Config.Stacks); owner != "" {
			found.owned[owner] = append(found.owned[owner], container)
		} else {
			found.podman.Unowned = append(found.podman.Unowned, container)
		}
	}
	return found, nil
}

// fill puts containers under their units. A unit with containers is a stack, named like
// their project or like the unit.
func (f containersFound) fill(doc *facts.Document) {
	doc.Podman = &f.podman
	for i := range doc.Units {
		u := &doc.Units[i]
		containers := f.owned[u.Name]
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

// labelledUnits asks the manager for the units that containers name. It returns their load
// states by name; none without a manager.
func labelledUnits(ctx context.Context, loaded loadedUnits, containers []podman.Container) (map[string]string, error) {
	states := map[string]string{}
	var names []string
	for _, c := range containers {
		name := c.Labels[podman.LabelUnit]
		switch l, listed := loaded.listed[name]; {
		case listed:
			states[name] = l.LoadState
		case unitfile.Valid(name) && !unitfile.IsTemplate(name):
			names = append(names, name)
		}
	}
	if loaded.conn == nil || len(names) == 0 {
		return states, nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	units, err := readUnits(ctx, loaded.conn, loaded.listed, names)
	for name, u := range units {
		states[name] = u.LoadState
	}
	return states, err
}

func containerFrom(c podman.Container, states map[string]string, now time.Time) facts.Container {
	out := facts.Container{
		ID: c.ID, Name: c.Name, Image: c.Image, ImageID: c.ImageID, Pod: c.Pod, Infra: c.Infra, State: c.State, Health: c.Health,
		Check: healthCheck(c, now), ExitCode: c.ExitCode, Restarts: c.Restarts, RestartPolicy: c.RestartPolicy,
		CreatedAt: timeOrNil(c.CreatedAt), StartedAt: timeOrNil(c.StartedAt), FinishedAt: timeOrNil(c.FinishedAt),
		Project: or(c.Labels[podman.LabelProject], c.Labels[podman.LabelProjectOwn]), Service: c.Labels[podman.LabelService],
		AutoUpdate: c.Labels[podman.LabelAutoUpdate],
		Settings:   containerSettings(c.Settings),
	}
	out.OneOff = isOneOff(out, c.Labels)
	if name, ok := c.Labels[podman.LabelUnit]; ok {
		valid := unitfile.Valid(name) && !unitfile.IsTemplate(name)
		out.UnitLabel = &facts.UnitLabel{Name: name, Valid: valid, LoadState: states[name]}
	}
	return out
}

// maxLabels is how many bytes the labels of all containers may take that nothing reads.
const maxLabels = 2 << 20

// labels returns a container's labels, and how many are left out. Those that something reads
// are always there; room is what is left for the others.
func labels(c podman.Container, room *int) (kept map[string]string, left int) {
	kept, left = map[string]string{}, c.LabelsLeft
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		v := c.Labels[k]
		if secretLabel.Get().MatchString(k) {
			v = "(masked)"
		}
		if !podman.IsRead(k) {
			if *room -= len(k) + len(v); *room < 0 {
				left++
				continue
			}
		}
		kept[k] = v
	}
	return kept, left
}

// isOneOff reports whether compose run made the container. podman-compose, which says so
// nowhere else, names it PROJECT_SERVICE_tmpNUMBER.
func isOneOff(c facts.Container, labels map[string]string) bool {
	number, isTemporary := strings.CutPrefix(c.Name, c.Project+"_"+c.Service+"_tmp")
	isTemporary = isTemporary && c.Service != "" && number != "" && strings.Trim(number, "0123456789") == ""
	return isTemporary || strings.EqualFold(labels[podman.LabelOneOff], "true")
}

// ownerOfContainer returns the managed unit that a container belongs to: the unit that its
// label names, or the unit of the configured stack of its compose project. The label alone
// is not enough: podman-compose writes the name of a unit that does not exist.
func ownerOfContainer(c facts.Container, managed map[string]string, stacks map[string]config.Stack) string {
	if c.UnitLabel != nil && managed[c.UnitLabel.Name] != "" {
		return c.UnitLabel.Name
	}
	for _, s := range stacks {
		if c.Project != "" && s.Project == c.Project {
			return s.Unit
		}
	}
	return ""
}
