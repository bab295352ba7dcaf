package debian

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// rootVariable is the environment variable with which tests use another root file
// system than the cached one.
const rootVariable = "STACKPOLICY_LAB_ROOT"

// Root returns a root file system with another systemd than the host's. If it does not
// exist it is made, which takes a minute or two. If it cannot be made the test is
// skipped.
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

// Each reports whether tests are to run on each release, and long ones whole
// (STACKPOLICY_LAB_EACH=1).
func Each() bool { return os.Getenv("STACKPOLICY_LAB_EACH") == "1" }

// Suites are the releases for a test that hardly depends on the release: the newest, or
// all if [Each] says so.
func Suites() []string {
	if Each() {
		return []string{Trixie, Bookworm}
	}
	return []string{Trixie}
}

// untilVariable is the environment variable with the time, in seconds since 1970, after which
// no test begins that takes a machine or a manager.
const untilVariable = "STACKPOLICY_LAB_UNTIL"

// InTime skips a test that begins too late: on a slow machine the tests must end all the same.
// A time that is no number is a failure.
func InTime(t testing.TB) {
	t.Helper()
	text := os.Getenv(untilVariable)
	if text == "" {
		return
	}
	until, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: want seconds since 1970", untilVariable, text)
	}
	if time.Now().Unix() > until {
		t.Skipf("skipped: it would begin after %s: this machine is too slow for all tests; run it alone", untilVariable)
	}
}
