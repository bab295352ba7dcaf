package debian

import (
	"os"
	"testing"
)

// rootVariable names another root file system than the cached one, for tests.
const rootVariable = "STACKPOLICY_LAB_ROOT"

// Root is a root file system with another systemd than the host's. The test is
// skipped if it does not exist and cannot be made. Making one takes a minute or
// two, once.
func Root(t testing.TB) string {
	t.Helper()
	if root := os.Getenv(rootVariable); root != "" {
		return root
	}
	err := Available(Trixie)
	if err == nil {
		var root string
		if root, err = Cached(t.Context(), Trixie); err == nil {
			return root
		}
	}
	t.Skipf("%s names no root file system, and none can be made here: %v", rootVariable, err)
	return ""
}
