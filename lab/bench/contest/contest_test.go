package contest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain makes the test binary the measuring program, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == Verb {
		os.Exit(Main(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

func TestSameFindings(t *testing.T) {
	for _, c := range []struct {
		ours, theirs int
		void         bool
	}{{3, 3, false}, {3, 4, true}, {0, 0, true}} {
		if err := sameFindings(c.ours, c.theirs); (err != nil) != c.void {
			t.Errorf("%d and %d: %v", c.ours, c.theirs, err)
		}
	}
}

func TestCounters(t *testing.T) {
	for name, c := range map[string]struct {
		count Counter
		text  string
		want  int
	}{
		"report":   {CountReport, `{"decisions":[{"effect":"allow"},{"effect":"heal"},{"effect":"block"}]}`, 2},
		"conftest": {CountConftest, `[{"successes":1,"failures":[{"msg":"a"},{"msg":"b"}]}]`, 2},
		"no rules": {CountConftest, `[{"successes":1}]`, 0},
		"opa":      {CountOPA, `{"result":[{"expressions":[{"value":{"x":[{},{}],"y":[]}}]}]}`, 2},
	} {
		if got, err := c.count([]byte(c.text)); got != c.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", name, got, err, c.want)
		}
		if _, err := c.count([]byte("no JSON")); err == nil {
			t.Errorf("%s: no error for what is no JSON", name)
		}
	}
}

func TestMeasure(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := Place{Helper: program, Output: filepath.Join(t.TempDir(), "output"),
		Command: func(ctx context.Context, argv ...string) *exec.Cmd {
			return exec.CommandContext(ctx, argv[0], argv[1:]...)
		}}
	took, err := p.Race(t.Context(), 2,
		Contestant{[]string{"sh", "-c", "echo found; exit 2"}, []int{0, 2}},
		Contestant{[]string{"true"}, []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	if len(took) != 2 || len(took[0]) != 2 || took[0][0].Code != 2 || took[0][0].Elapsed <= 0 || took[0][0].MaxRSS < 1<<16 {
		t.Errorf("%+v", took)
	}
	n, err := p.count(t.Context(), Contestant{[]string{"echo", "[]"}, []int{0}}, func(text []byte) (int, error) {
		return len(text), nil
	})
	if n != len("[]\n") || err != nil {
		t.Errorf("output of %d bytes, %v", n, err)
	}
	_, err = p.Measure(t.Context(), Contestant{[]string{"sh", "-c", "echo no policies >&2; exit 3"}, []int{0}})
	if err == nil || !strings.Contains(err.Error(), "no policies") {
		t.Errorf("an end that was not expected: %v", err)
	}
	if _, err = p.Measure(t.Context(), Contestant{[]string{"/nonexistent"}, []int{0}}); err == nil {
		t.Error("a program that is not there was measured")
	}
}
