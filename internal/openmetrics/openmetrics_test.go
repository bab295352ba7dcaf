package openmetrics_test

import (
	"strings"
	"testing"

	"stackpolicy/internal/openmetrics"
)

func TestWrite(t *testing.T) {
	gauges := []openmetrics.Gauge{
		{Name: "a_seconds", Unit: "seconds", Help: "Of a.", Samples: []openmetrics.Sample{{Value: 1.5}}},
		{Name: "b", Help: "Of b.", Labels: []string{"x", "y"}, Samples: []openmetrics.Sample{
			{Labels: []string{"\"\\\n", ""}, Value: 2e9}, {Labels: []string{"\"\\\n", ""}, Value: 3}, {Labels: []string{"", "z"}, Value: 0},
		}},
		{Name: "without_samples", Help: "None."},
	}
	want := `# HELP a_seconds Of a.
# TYPE a_seconds gauge
# UNIT a_seconds seconds
a_seconds 1.5
# HELP b Of b.
# TYPE b gauge
b{x="\"\\\\x0a"} 2000000000
b{y="z"} 0
# EOF
`
	var out strings.Builder
	if err := openmetrics.Write(&out, gauges); err != nil || out.String() != want {
		t.Errorf("got %v\n%s", err, out.String())
	}
}
