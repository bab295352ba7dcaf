package daily

import (
	"fmt"
	"slices"

	"stackpolicy/internal/text"
	"stackpolicy/report/timeline"
)

// Latency is how long alerts took.
type Latency struct {
	Measured     string // "" if nothing could be measured
	Median, Most string
	About        string
}

func latency(d timeline.Deliveries, isRecorded bool) Latency {
	switch {
	case !isRecorded:
		return Latency{About: "No delivery of an alert is recorded."}
	case d.New == 0:
		return Latency{About: "No new finding in this time."}
	case len(d.Took) == 0:
		return Latency{About: fmt.Sprintf("Of %s in this time, none was delivered to a sink.", text.Count(d.New, "new finding", "new findings"))}
	}
	took := slices.Sorted(slices.Values(d.Took))
	l := Latency{Measured: fmt.Sprintf("%d of %d", len(took), d.New), Most: text.Elapsed(took[len(took)-1])}
	l.Median = text.Elapsed((took[(len(took)-1)/2] + took[len(took)/2]) / 2)
	l.About = fmt.Sprintf("From the audit that first saw a finding to its first delivery to any sink, for %s new findings. The time before that audit is not counted.", l.Measured)
	return l
}
