package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"stackpolicy/audit"
	"stackpolicy/internal/text"
)

// WriteOpenMetrics writes [Metrics] as OpenMetrics text
// (https://prometheus.io/docs/specs/om/open_metrics_spec/). The textfile collector
// of node_exporter, which expects an older format, reads it too: counters and
// exemplars, which differ, are not used, and # EOF is a comment there.
func WriteOpenMetrics(w io.Writer, r *audit.Report, o Options) error {
	out := bufio.NewWriter(w)
	for _, m := range Metrics() {
		samples := m.samples(r, o.Around)
		if len(samples) == 0 {
			continue
		}
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", m.Name, m.Help, m.Name)
		if m.Unit != "" {
			fmt.Fprintf(out, "# UNIT %s %s\n", m.Name, m.Unit)
		}
		written := map[string]bool{}
		for _, s := range samples {
			if id := m.Name + labels(m.Labels, s.labels, o.Around.User); !written[id] {
				written[id] = true // a sample that appears twice makes the whole text invalid
				fmt.Fprintf(out, "%s %s\n", id, strconv.FormatFloat(s.value, 'f', -1, 64))
			}
		}
	}
	fmt.Fprintln(out, "# EOF")
	return out.Flush() // says what went wrong before, too
}

// labels writes the labels whose value is not empty.
func labels(names, values []string, user string) string {
	var pairs []string
	for i, name := range names {
		if values[i] != "" {
			pairs = append(pairs, name+`="`+quoted(values[i])+`"`)
		}
	}
	if user != "" {
		pairs = append(pairs, `user="`+quoted(user)+`"`)
	}
	if len(pairs) == 0 {
		return ""
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// quoted returns the value of a label: harmless, and escaped as the format demands.
func quoted(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text.Clean(value))
}
