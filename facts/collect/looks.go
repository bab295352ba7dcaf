package collect

import (
	"cmp"
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"stackpolicy/internal/unitfile"
)

// looks caches the state of paths, because units share drop-ins. Several goroutines may
// use it; if one reads a path, others that need it wait.
type looks struct {
	ctx    context.Context
	looker *unitfile.Looker
	paths  sync.Map // path -> func() (unitfile.File, error)
}

// newLooks makes a cache that can be used until ctx ends.
func newLooks(ctx context.Context, store string) *looks {
	return &looks{ctx: ctx, looker: unitfile.NewLooker(store)}
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

// ahead starts to read the files that the units probably have, while the manager still
// answers. The results, also errors, are in the cache.
func (l *looks) ahead(index *unitfile.Index, units []string) {
	if index == nil {
		return
	}
	go func() {
		for _, name := range units {
			for _, path := range index.Fragments(name) {
				_, _ = l.at(path)
			}
			for _, link := range index.Links(name) {
				_, _ = l.at(link.Path)
			}
			if l.ctx.Err() != nil {
				return
			}
		}
	}()
}

// inParallel calls do for every number below n, on all processors, until ctx ends. It
// returns the error of the lowest number that has one, so that the same faults always give
// the same error.
func inParallel(ctx context.Context, n int, do func(int) error) error {
	errs := make([]error, n, n+1)
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for i := 0; i < n && ctx.Err() == nil; i++ {
		workers.Go(func() error { errs[i] = do(i); return nil })
	}
	_ = workers.Wait() // the errors are in errs
	return cmp.Or(append(errs, ctx.Err())...)
}
