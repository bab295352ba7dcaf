package compose

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Podman does with podman itself what providers do not do, or do too late. Its
// argv is podman and its global options.
type Podman Provider

// Pull fetches an image, as podman pull does. Waits and output are those of
// [Provider.Up].
func (p Podman) Pull(ctx context.Context, image string, environ []string, output func(line string)) error {
	return p.do(ctx, environ, output, "pull", "--", image)
}

// Remove stops containers, which get grace for it, and removes them, as podman
// rm does. One that is gone already is no error.
func (p Podman) Remove(ctx context.Context, ids []string, grace time.Duration, environ []string, output func(line string)) error {
	args := append([]string{"rm", "--force", "--ignore", fmt.Sprintf("--time=%d", int(grace.Seconds())), "--"}, ids...)
	return p.do(ctx, environ, output, args...)
}

// Stop stops containers, which get grace for it, as podman stop does. One that is
// gone already is no error.
func (p Podman) Stop(ctx context.Context, ids []string, grace time.Duration, environ []string, output func(line string)) error {
	args := append([]string{"stop", "--ignore", fmt.Sprintf("--time=%d", int(grace.Seconds())), "--"}, ids...)
	return p.do(ctx, environ, output, args...)
}

// StandIn makes a container that is never started: it has a name, labels, and
// the volumes of another container.
func (p Podman) StandIn(ctx context.Context, name, of, image string, labels map[string]string, environ []string, output func(line string)) error {
	args := []string{"create", "--name", name, "--volumes-from", of, "--network", "none"}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		args = append(args, "--label", key+"="+labels[key])
	}
	return p.do(ctx, environ, output, append(args, "--", image)...)
}

// Tag makes a name mean an image.
func (p Podman) Tag(ctx context.Context, id, name string, environ []string) error {
	return p.do(ctx, environ, nil, "tag", "--", id, name)
}

// Rename gives a container another name.
func (p Podman) Rename(ctx context.Context, id, name string, environ []string) error {
	return p.do(ctx, environ, nil, "rename", "--", id, name)
}

// RemovePod removes a pod that no container is in any more; one that there is
// not, or that is in use, stays as it is.
func (p Podman) RemovePod(ctx context.Context, name string, environ []string) {
	_ = p.do(ctx, environ, nil, "pod", "rm", "--", name)
}

func (p Podman) do(ctx context.Context, environ []string, output func(line string), args ...string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("podman %s: not begun: %w", args[0], context.Cause(ctx))
	}
	said := &lines{each: output, failed: failures{doomed: func() {}}}
	err := Provider(p).run(ctx, Provider(p).toRun(args, "", environ, ""), 0, said)
	if err != nil {
		return fmt.Errorf("podman %s: %w: %q", args[0], err, said.last)
	}
	return nil
}
