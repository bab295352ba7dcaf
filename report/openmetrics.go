package report

import (
	"io"
	"slices"

	"stackpolicy/audit"
	"stackpolicy/internal/openmetrics"
)

// WriteOpenMetrics writes [Metrics] as OpenMetrics text. Each sample has the account as its
// last label, user.
func WriteOpenMetrics(w io.Writer, r *audit.Report, o Options) error {
	var gauges []openmetrics.Gauge
	for _, m := range Metrics() {
		g := openmetrics.Gauge{Name: m.Name, Unit: m.Unit, Help: m.Help, Labels: append(slices.Clone(m.Labels), "user")}
		for _, s := range m.samples(r, o.Around) {
			g.Samples = append(g.Samples, openmetrics.Sample{Labels: append(slices.Clone(s.labels), o.Around.User), Value: s.value})
		}
		gauges = append(gauges, g)
	}
	return openmetrics.Write(w, gauges)
}
