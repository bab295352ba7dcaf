package decide

import (
	"runtime"
	"slices"
	"sync"
	"testing"
)

// TestInParallel: every call is made once, with one processor and with several.
func TestInParallel(t *testing.T) {
	for _, processors := range []int{1, 4} {
		before := runtime.GOMAXPROCS(processors)
		var mu sync.Mutex
		var got []int
		inParallel(9, func(i int) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, i)
		})
		runtime.GOMAXPROCS(before)
		slices.Sort(got)
		if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}) {
			t.Errorf("%d processors: %v", processors, got)
		}
	}
}
