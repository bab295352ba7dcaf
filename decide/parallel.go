package decide

import (
	"runtime"

	"golang.org/x/sync/errgroup"
)

// inParallel calls work with 0 to n-1, on all processors, and waits for all calls.
func inParallel(n int, work func(int)) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			work(i)
			return nil
		})
	}
	_ = group.Wait() // work returns no error
}
