package decide

import (
	"runtime"

	"golang.org/x/sync/errgroup"
)

// inParallel calls work with 0 to n-1, on all processors, and waits for all calls. With one
// processor it needs no goroutines, of which each would grow a stack for the rules again.
func inParallel(n int, work func(int)) {
	if runtime.GOMAXPROCS(0) == 1 {
		for i := range n {
			work(i)
		}
		return
	}
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
