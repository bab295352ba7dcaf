package collect

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"stackpolicy/internal/unitfile"
)

// looks is what was found at paths, each looked at once: units share drop-ins.
// Several goroutines may look; who wants what another is looking at waits.
type looks struct {
	ctx    context.Context
	looker *unitfile.Looker
	paths  sync.Map // path -> func() (unitfile.File, error)
}

func (r *run) newLooks() *looks {
	return &looks{ctx: r.ctx, looker: unitfile.NewLooker(r.store())}
}

func (l *looks) at(path string) (unitfile.File, error) {
	look, ok := l.paths.Load(path)
	if !ok {
		look, _ = l.paths.LoadOrStore(path, sync.OnceValues(func() (unitfile.File, error) {
			return l.looker.Stat(l.ctx, path)
		}))
	}
	return look.(func() (unitfile.File, error))()
}

// lookAhead looks at the files that the units are likely to have, while the
// manager is still telling about them. What comes of it, errors too, is found
// by who looks there next.
func (r *run) lookAhead(index *unitfile.Index, units []string) *looks {
	l := r.newLooks()
	if index == nil {
		return l
	}
	go func() {
		for _, name := range units {
			for _, path := range index.Fragments(name) {
				_, _ = l.at(path)
			}
			for _, link := range index.Links(name) {
				_, _ = l.at(link.Path)
			}
			if r.ctx.Err() != nil {
				return
			}
		}
	}()
	return l
}

// inParallel does something for every number below n, on all processors, until
// ctx ends. The error is the one of the lowest number that has any.
func inParallel(ctx context.Context, n int, do func(int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				errs[i] = do(i)
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
