package podman

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Watch looks at the containers again and again. It remembers what it inspected
// and inspects only what a listing shows as new or changed, so a look that
// finds nothing changed costs one listing. Not safe for concurrent use.
type Watch struct {
	client Client
	now    func() time.Time
	seen   map[string]sighting // by id
}

// sighting is a container, and the row that says when it is no longer so.
type sighting struct {
	row       row
	container Container
}

// Watch begins a watch that has seen nothing. It holds no connection between
// looks and need not be closed.
func (c Client) Watch() *Watch { return &Watch{client: c, now: time.Now} }

// Containers is one look: the same listing, and the same errors, as
// [Client.Containers]. An error forgets nothing, as the next listing shows what
// is still as it was. What no listing shows is as old as the last change that
// one did: a restart policy that `podman update` set.
func (w *Watch) Containers(ctx context.Context) (Listing, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	containers, transport, err := ask(ctx, w.client, w.read)
	if err != nil || transport == "" {
		return Listing{}, err
	}
	return Listing{Present: true, Transport: transport, Containers: containers}, nil
}

// read lists and inspects, and begins again when a container vanished between.
func (w *Watch) read(ctx context.Context, from source) ([]Container, error) {
	for attempt := 1; ; attempt++ {
		containers, err := w.readOnce(ctx, from)
		if errors.Is(err, errVanished) && attempt < attempts && ctx.Err() == nil {
			continue
		}
		return containers, err
	}
}

func (w *Watch) readOnce(ctx context.Context, from source) ([]Container, error) {
	asked := w.now()
	rows, err := from.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	containers, changed := w.known(rows)
	if len(changed) > 0 {
		fresh, err := from.inspect(ctx, changed)
		if err != nil {
			return nil, fmt.Errorf("inspect containers: %w", err)
		}
		containers = append(containers, fresh...)
	}
	w.remember(rows, containers, asked)
	slices.SortFunc(containers, func(a, b Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return containers, nil
}

// known returns the containers that are as they were, and the ids of the others.
func (w *Watch) known(rows []row) (same []Container, changed []string) {
	for _, row := range rows {
		if before, seen := w.seen[row.id]; seen && before.row == row {
			same = append(same, before.container)
		} else {
			changed = append(changed, row.id)
		}
	}
	return same, changed
}

// remember keeps copies of the containers that can be trusted until their rows
// change.
func (w *Watch) remember(rows []row, containers []Container, asked time.Time) {
	of := make(map[string]row, len(rows))
	for _, row := range rows {
		of[row.id] = row
	}
	w.seen = make(map[string]sighting, len(containers))
	for _, container := range containers {
		if row := of[container.ID]; row.settled(asked) && row.tells(container) {
			w.seen[container.ID] = sighting{row, container.copied()}
		}
	}
}

// copied shares nothing with c, so that no caller changes what is remembered.
func (c Container) copied() Container {
	c.Labels = maps.Clone(c.Labels)
	return c
}
