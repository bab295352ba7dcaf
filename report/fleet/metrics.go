package fleet

import (
	"io"
	"strconv"
	"time"

	"stackpolicy/fleet/overview"
	"stackpolicy/internal/openmetrics"
)

// ofSource are the labels of what is about one source.
var ofSource = []string{"org", "host", "user"}

// Metric is one gauge. Its name and the names of its labels never change.
type Metric struct {
	openmetrics.Gauge
	samples func(overview.Fleet) []openmetrics.Sample
}

// Metrics lists every metric of a fleet.
func Metrics() []Metric {
	return []Metric{
		metric("stackpolicy_fleet_written_timestamp_seconds", "seconds", nil, "When these metrics were written.", func(f overview.Fleet) []openmetrics.Sample {
			return []openmetrics.Sample{{Value: seconds(f.At)}}
		}),
		metric("stackpolicy_fleet_sources", "", []string{"state"}, "Sources by state.", func(f overview.Fleet) (list []openmetrics.Sample) {
			for _, t := range f.Totals {
				list = append(list, openmetrics.Sample{Labels: []string{string(t.State)}, Value: float64(t.Sources)})
			}
			return list
		}),
		metric("stackpolicy_fleet_releases", "", []string{"channel", "version", "stage"}, "Sources by release of rules; rules that come from no release have version 0.", func(f overview.Fleet) (list []openmetrics.Sample) {
			for _, r := range f.Releases {
				list = append(list, openmetrics.Sample{Labels: []string{r.Channel, strconv.FormatInt(r.Version, 10), r.Stage}, Value: float64(r.Sources)})
			}
			return list
		}),
		channels("stackpolicy_fleet_channel_halted", "1 for a channel whose newest release is halted: no further host begins to use it.", func(c overview.Channel) float64 { return one(c.Halted) }),
		channels("stackpolicy_fleet_channel_open_stages", "Stages in which the newest release of a channel may act.", func(c overview.Channel) float64 { return float64(c.Open) }),
		channels("stackpolicy_fleet_channel_stages", "Stages of the newest release of a channel.", func(c overview.Channel) float64 { return float64(c.Stages) }),
		metric("stackpolicy_fleet_expires_timestamp_seconds", "seconds", []string{"what"}, "When a signature ends: hosts take nothing new then.", func(f overview.Fleet) (list []openmetrics.Sample) {
			for _, e := range f.Ends {
				list = append(list, openmetrics.Sample{Labels: []string{e.What}, Value: seconds(e.At)})
			}
			return list
		}),
		each("stackpolicy_fleet_received_timestamp_seconds", "seconds", "When the newest evidence of a source arrived; 0 if none ever did.", func(r overview.Row) float64 { return seconds(r.Received) }),
		each("stackpolicy_fleet_patience_seconds", "seconds", "How old the newest evidence of a source may be.", func(r overview.Row) float64 { return overview.Patience(r.Beat).Seconds() }),
		each("stackpolicy_fleet_enrolled_timestamp_seconds", "seconds", "When a source was enrolled.", func(r overview.Row) float64 { return seconds(r.Enrolled) }),
		each("stackpolicy_fleet_audit_timestamp_seconds", "seconds", "When a source audited last, by its own clock; 0 if it never did.", func(r overview.Row) float64 { return seconds(r.Beat.Audited) }),
		each("stackpolicy_fleet_exit_status", "", "Exit status of the last audit of a source: 0 ok, 1 warning, 2 critical, 3 unknown. Only of sources that were ever heard from.", func(r overview.Row) float64 { return float64(r.Beat.ExitCode) }),
		each("stackpolicy_fleet_missing_envelopes", "", "Envelopes of a source that the hub does not have, below the newest one.", func(r overview.Row) float64 { return float64(r.CountMissing()) }),
		each("stackpolicy_fleet_waiting_envelopes", "", "Envelopes that a source has still to send, by its newest one.", func(r overview.Row) float64 { return float64(r.Beat.Waiting) }),
		each("stackpolicy_fleet_refused_envelopes", "", "Envelopes that were refused since the source was enrolled.", func(r overview.Row) float64 { return float64(r.Refused) }),
		each("stackpolicy_fleet_forked", "", "1 for a source that contradicts what it sent before: it is not trusted.", func(r overview.Row) float64 { return one(r.Fork != "") }),
		each("stackpolicy_fleet_clock_wrong", "", "1 for a source whose times cannot be right.", func(r overview.Row) float64 { return one(r.Clock != "") }),
		each("stackpolicy_fleet_release_back", "", "1 for a source that went back from a release of rules.", func(r overview.Row) float64 {
			return one(r.Beat.Release != nil && r.Beat.Release.Stage == overview.Back)
		}),
	}
}

func metric(name, unit string, labels []string, help string, samples func(overview.Fleet) []openmetrics.Sample) Metric {
	return Metric{openmetrics.Gauge{Name: name, Unit: unit, Labels: labels, Help: help}, samples}
}

// channels is a metric with one sample for each channel.
func channels(name, help string, value func(overview.Channel) float64) Metric {
	return metric(name, "", []string{"channel", "version"}, help, func(f overview.Fleet) (list []openmetrics.Sample) {
		for _, c := range f.Channels {
			list = append(list, openmetrics.Sample{Labels: []string{c.Name, strconv.FormatInt(c.Version, 10)}, Value: value(c)})
		}
		return list
	})
}

// each is a metric with one sample for each source that is not revoked.
func each(name, unit, help string, value func(overview.Row) float64) Metric {
	return metric(name, unit, ofSource, help, func(f overview.Fleet) (list []openmetrics.Sample) {
		for _, r := range f.Sources {
			if r.Revoked == nil && (name != exitStatus || !r.Received.IsZero()) {
				list = append(list, openmetrics.Sample{Labels: []string{r.Org, r.Host, r.User}, Value: value(r)})
			}
		}
		return list
	})
}

// exitStatus would be that of a good audit for a source that never sent anything.
const exitStatus = "stackpolicy_fleet_exit_status"

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// WriteOpenMetrics writes [Metrics], for the textfile collector of node_exporter or to be scraped.
func WriteOpenMetrics(w io.Writer, in Input) error {
	var gauges []openmetrics.Gauge
	for _, m := range Metrics() {
		m.Samples = m.samples(in.Fleet)
		gauges = append(gauges, m.Gauge)
	}
	return openmetrics.Write(w, gauges)
}
