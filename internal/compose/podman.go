package compose

import (
	"context"
	"fmt"
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
