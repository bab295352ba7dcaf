// Package openmetrics writes gauges as OpenMetrics text
// (https://prometheus.io/docs/specs/om/open_metrics_spec/). The textfile collector of
// node_exporter, which expects an older format, reads it too: counters and exemplars, which
// differ, are not used, and # EOF is a comment there.
//
// Start at [Write].
package openmetrics

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"stackpolicy/internal/text"
)

// Gauge is a metric and its samples. One without samples is not written.
type Gauge struct {
	Name    string
	Unit    string // "" for plain numbers
	Help    string
	Labels  []string // names
	Samples []Sample
}

// Sample is a value, with the values of the labels in their order; a label without a value is
// left out.
type Sample struct {
	Labels []string
	Value  float64
}

// Write writes gauges. Of samples with the same labels only the first is written: one that
// appears twice makes the whole text invalid.
func Write(w io.Writer, gauges []Gauge) error {
	out := bufio.NewWriter(w)
	for _, g := range gauges {
		if len(g.Samples) == 0 {
			continue
		}
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", g.Name, g.Help, g.Name)
		if g.Unit != "" {
			fmt.Fprintf(out, "# UNIT %s %s\n", g.Name, g.Unit)
		}
		written := map[string]bool{}
		for _, s := range g.Samples {
			if id := g.Name + labels(g.Labels, s.Labels); !written[id] {
				written[id] = true
				fmt.Fprintf(out, "%s %s\n", id, strconv.FormatFloat(s.Value, 'f', -1, 64))
			}
		}
	}
	fmt.Fprintln(out, "# EOF")
	return out.Flush() // says what went wrong before, too
}

// labels writes the labels whose value is not empty.
func labels(names, values []string) string {
	var pairs []string
	for i, name := range names {
		if values[i] != "" {
			pairs = append(pairs, name+`="`+quoted(values[i])+`"`)
		}
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
