package programs

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// Main runs the tests of a package with stackpolicy at *path, and returns the exit status.
func Main(m *testing.M, path *string) int {
	built, remove, err := Stackpolicy(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	*path = built
	return m.Run()
}
