package systemd

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpan(t *testing.T) {
	for in, want := range map[uint64]time.Duration{
		0: 0, 1: time.Microsecond, 90e6: 90 * time.Second, math.MaxUint64: -1, math.MaxInt64: -1, math.MaxInt64 / 1000: -1,
		math.MaxInt64/1000 - 1: (math.MaxInt64/1000 - 1) * time.Microsecond,
	} {
		if got := span(in); got != want {
			t.Errorf("span(%d) = %d, want %d", in, got, want)
		}
	}
}

func TestUsec(t *testing.T) {
	if !usec(0).IsZero() {
		t.Error("0 is a time")
	}
	if got, want := usec(1_500_000), time.Unix(1, 500_000_000).UTC(); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExecs(t *testing.T) {
	row := func(more ...any) []any {
		return append(more, uint64(0), uint64(0), uint64(0), uint64(0), uint32(0), int32(0), int32(0))
	}
	for name, tc := range map[string]struct {
		value any
		want  []Exec
		wrong bool
	}{
		"none":        {[][]any{}, nil, false},
		"two":         {[][]any{row("/a", []string{"a", "b"}, true), row("/c", []string{"c"}, false)}, []Exec{{"/a", []string{"a", "b"}, true}, {"/c", []string{"c"}, false}}, false},
		"short row":   {[][]any{{"/a", []string{"a"}}}, nil, true},
		"wrong argv":  {[][]any{row("/a", "a", true)}, []Exec{{"/a", nil, true}}, true},
		"wrong type":  {"text", nil, true},
		"not present": {nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader{props: map[string]any{}}
			if tc.value != nil {
				r.props["ExecStart"] = tc.value
			}
			if d := cmp.Diff(tc.want, execs(&r, "ExecStart")); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if got := r.err("it") != nil; got != tc.wrong {
				t.Errorf("an error: %t, want %t", got, tc.wrong)
			}
		})
	}
}
