package debian

import (
	"cmp"
	"strconv"
	"testing"
	"time"
)

// outcome is a test that notes how it ends first, and goes on.
type outcome struct {
	testing.TB
	ended string
}

func (o *outcome) Helper()               {}
func (o *outcome) Skipf(string, ...any)  { o.ended = cmp.Or(o.ended, "skipped") }
func (o *outcome) Fatalf(string, ...any) { o.ended = cmp.Or(o.ended, "failed") }

// Only what begins too late is skipped, and a time that is no number hides nothing.
func TestInTime(t *testing.T) {
	at := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	for until, want := range map[string]string{"": "", at(time.Hour): "", at(-time.Hour): "skipped", "soon": "failed"} {
		t.Setenv(untilVariable, until)
		o := &outcome{TB: t}
		if InTime(o); o.ended != want {
			t.Errorf("%s=%q: %q, want %q", untilVariable, until, o.ended, want)
		}
	}
}
