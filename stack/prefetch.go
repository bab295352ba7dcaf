package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Prefetch fetches and builds the images that the next apply of the stack needs, so
// that it is short, and does not depend on a registry. It takes limit at most, changes
// no container, and holds no lock: an apply may begin meanwhile.
func (o *Operator) Prefetch(ctx context.Context, s Stack, limit time.Duration) Report {
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s (--timeout)", limit))
	defer cancel()
	t := o.transaction(s)
	done, bad := t.prefetch(limited)
	switch {
	case ctx.Err() != nil:
		return s.report("prefetch", ApplyCut, "asked to stop in the middle")
	case bad != nil:
		return s.failed("prefetch", *bad)
	case len(done) == 0:
		return s.report("prefetch", Prefetched, "all images are here already")
	}
	return s.report("prefetch", Prefetched, "fetched or built: "+strings.Join(done, ", "))
}

func (t *transaction) prefetch(ctx context.Context) (done []string, bad *Problem) {
	if t.project, bad = t.stack.load(ctx, t.podman.environ); bad != nil {
		return nil, bad
	}
	if bad := t.podman.answers(ctx); bad != nil {
		return nil, bad
	}
	if bad := t.short(); bad != nil {
		return nil, bad
	}
	done, err := t.images(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return done, &Problem{
			Outcome: NotFetched, Message: "an image cannot be had: " + firstLine(err), Details: lines(err),
			Hint: roomHint(err, "no container was changed; the next apply would need it, too"),
		}
	}
	return done, t.short()
}

// short returns a problem when there is no room for a new container.
func (t *transaction) short() *Problem {
	if problems := (host{graph: t.graph}).space(); len(problems) > 0 {
		return &problems[0]
	}
	return nil
}
