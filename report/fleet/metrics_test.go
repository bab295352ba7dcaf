package fleet

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"stackpolicy/fleet/overview"
)

func TestOpenMetrics(t *testing.T) {
	got := written(t, WriteOpenMetrics, sample())
	golden(t, "sample.prom", []byte(got))
	for _, never := range []string{`exit_status{org="acme",host="new"`, `host="old"`} {
		if strings.Contains(got, never) {
			t.Errorf("there is %s: it says of a source what is not known", never)
		}
	}
}

// sampleLine is a sample as both formats have it, without a timestamp, which the textfile
// collector refuses.
var sampleLine = regexp.MustCompile(`^([a-z_]+(?:\{[a-z]+="(?:[^"\\]|\\[\\"])*"(?:,[a-z]+="(?:[^"\\]|\\[\\"])*")*\})?) -?[0-9.]+$`)

func TestMetricsAreWellFormed(t *testing.T) {
	for name, in := range map[string]Input{"hostile": hostile("x"), "nothing": {Fleet: overview.Build(nil, now)}, "many": many(50)} {
		seen := map[string]bool{}
		for line := range strings.Lines(written(t, WriteOpenMetrics, in)) {
			line = strings.TrimSuffix(line, "\n")
			m := sampleLine.FindStringSubmatch(line)
			switch {
			case strings.HasPrefix(line, "# "):
			case m == nil:
				t.Errorf("%s: no sample: %q", name, line)
			case seen[m[1]]:
				t.Errorf("%s: there twice: %s", name, m[1])
			default:
				seen[m[1]] = true
			}
		}
	}
}

// TestPromtoolTakesTheMetrics: it parses them, and finds nothing amiss with the names.
func TestPromtoolTakesTheMetrics(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; it is in Debian's package prometheus")
	}
	for name, in := range map[string]Input{"sample": sample(), "hostile": hostile("x")} {
		check := exec.Command(promtool, "check", "metrics")
		check.Stdin = strings.NewReader(written(t, WriteOpenMetrics, in))
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
