package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/bench/contest"
)

func TestMedian(t *testing.T) {
	for name, c := range map[string]struct {
		list []float64
		want float64
	}{
		"one":          {[]float64{3}, 3},
		"odd":          {[]float64{9, 1, 2}, 2},
		"even":         {[]float64{4, 1, 2, 100}, 3},
		"one far away": {[]float64{1, 1000, 2}, 2},
	} {
		if got := median(c.list); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	list := []float64{2, 1}
	if median(list); list[0] != 2 {
		t.Error("median changed the order of rounds")
	}
}

func TestFigures(t *testing.T) {
	samples := []contest.Sample{{Elapsed: time.Second, MaxRSS: 1 << 20}, {Elapsed: 500 * time.Millisecond, MaxRSS: 3 << 19}}
	if diff := cmp.Diff([]float64{1, 0.5}, seconds(samples)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{1, 1.5}, mebibytes(samples)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{3, 7}, sum([]float64{1, 2}, []float64{2, 5})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{0.2, 0.3}, each([]float64{2, 3}, 10)); diff != "" {
		t.Error(diff)
	}
}

func TestTable(t *testing.T) {
	got := table([]row{
		{claim: "a", about: "audit, 1000 loaded units", against: "show+test", unit: "s", bound: 0.35,
			ours: []float64{9, 0.25, 0.3}, theirs: []float64{1, 1, 1}},
		{claim: "b", about: "the same, peak memory", against: "conftest", unit: "MiB", bound: 0.5,
			ours: []float64{60}, theirs: []float64{100}},
		{claim: "d", about: "a unit among 10000", against: "among 1000", unit: "ms", bound: 1.3,
			ours: []float64{0.2}, theirs: []float64{0.2}},
	})
	const want = `
  median of all rounds          ours  against              ratio at most
a audit, 1000 loaded units    300 ms  show+test 1.00 s      0.30    0.35  pass
b the same, peak memory     60.0 MiB  conftest 100 MiB      0.60    0.50  FAIL
d a unit among 10000        0.200 ms  among 1000 0.200 ms   1.00    1.30  pass
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.Lines(got) {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

func TestIsWithinBound(t *testing.T) {
	for _, c := range []struct {
		ours float64
		want bool
	}{{0.3, true}, {0.35, true}, {0.3549, true}, {0.36, false}, {2, false}} {
		if got := (row{ours: []float64{c.ours}, theirs: []float64{1}, bound: 0.35}).isWithinBound(); got != c.want {
			t.Errorf("a ratio of %v at most 0.35: %v", c.ours, got)
		}
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"--only", "b,c", "--rounds", "4"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "c"}, o.only); diff != "" || o.short != 4 || o.long != 3 {
		t.Errorf("%+v", o)
	}
	for _, wrong := range [][]string{{"--only", "x"}, {"--rounds", "0"}, {"a"}, {"--nonsense"}} {
		if _, err := parse(wrong, io.Discard); err == nil {
			t.Errorf("%q: no error", wrong)
		}
	}
	if _, err := parse([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestRules(t *testing.T) {
	r, err := writeRules(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"main.rego", "settings.yaml", "lib/container.rego"} {
		if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
			t.Error(err)
		}
	}
	tests, _ := filepath.Glob(filepath.Join(r.dir, "*_test.rego"))
	if len(tests) > 0 {
		t.Errorf("tests were copied, which other tools would load: %q", tests)
	}
}

func TestAllReportsVoidAndFailed(t *testing.T) {
	saved := claims
	t.Cleanup(func() { claims = saved })
	claims = claims[:2:2]
	claims[0].measure = func(*bench, context.Context) ([]row, error) { return nil, errors.New("not the same") }
	claims[1].measure = func(*bench, context.Context) ([]row, error) {
		return []row{{claim: "b", about: "slow", ours: []float64{2}, theirs: []float64{1}, bound: 1}}, nil
	}
	var out bytes.Buffer
	b := &bench{options: options{only: []string{"a", "b"}}, log: io.Discard}
	err := b.all(t.Context(), &out)
	if err == nil || !strings.Contains(err.Error(), "claim a is void: not the same") || !strings.Contains(err.Error(), "claim b: slow") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(out.String(), "FAIL") {
		t.Errorf("table:\n%s", out.String())
	}
}
