package podman

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/transport"
)

const attempts = 3 // how often a listing is tried if containers vanish meanwhile

// Watch reads the containers many times. It remembers what it inspected, and only inspects
// containers that a listing shows as new or changed. So if nothing changed, it needs only one
// listing. Not safe for concurrent use.
type Watch struct {
	client Client
	now    func() time.Time
	seen   map[string]sighting // by id
}

// sighting is a container, and its row in the listing: if the row changes, it is inspected
// again.
type sighting struct {
	row       row
	container Container
}

// Watch returns a new watch. It keeps no connection between two calls, and need not be closed.
func (c Client) Watch() *Watch { return &Watch{client: c, now: time.Now} }

// Containers returns the same listing, and the same errors, as [Client.Containers]. After an
// error it forgets nothing, because the next listing shows which containers did not change.
// Values that no listing shows, such as a restart policy that `podman update` changed, are
// only read again when the row changes.
func (w *Watch) Containers(ctx context.Context) (Listing, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	containers, transport, err := ask(ctx, w.client, w.read)
	if err != nil || transport == "" {
		return Listing{}, err
	}
	return Listing{Present: true, Transport: transport, Containers: containers}, nil
}

// read lists and inspects, and tries again if a container vanished meanwhile.
func (w *Watch) read(ctx context.Context, from transport.Source) ([]Container, error) {
	for attempt := 1; ; attempt++ {
		containers, err := w.readOnce(ctx, from)
		if errors.Is(err, transport.ErrVanished) && attempt < attempts && ctx.Err() == nil {
			continue
		}
		return containers, err
	}
}

func (w *Watch) readOnce(ctx context.Context, from transport.Source) ([]Container, error) {
	asked := w.now()
	list, err := from.List(ctx)
	var rows []row
	if err == nil {
		rows, err = rowsOf(list)
	}
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	containers, changed := w.known(rows)
	if len(changed) > 0 {
		err := from.Inspect(ctx, changed, func(document gjson.Result) error {
			container, err := containerOf(document)
			containers = append(containers, container)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("inspect containers: %w", err)
		}
	}
	w.remember(rows, containers, asked)
	slices.SortFunc(containers, func(a, b Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return containers, nil
}

// known returns the containers that did not change, and the ids of the others.
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

// remember keeps copies of the containers that are valid until their rows change.
func (w *Watch) remember(rows []row, containers []Container, asked time.Time) {
	of := make(map[string]row, len(rows))
	for _, row := range rows {
		of[row.id] = row
	}
	w.seen = make(map[string]sighting, len(containers))
	for _, container := range containers {
		if row := of[container.ID]; row.settled(asked) && row.matches(container) {
			w.seen[container.ID] = sighting{row, container.copied()}
		}
	}
}

// copied shares nothing with c, so that no caller changes what is remembered.
func (c Container) copied() Container {
	c.Labels = maps.Clone(c.Labels)
	return c
}
