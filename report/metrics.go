package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"stackpolicy/audit"
	"stackpolicy/finding"
	"stackpolicy/watch"
)

// maxFindings bounds the samples of single findings; the worst come first, and
// all are counted.
const maxFindings = 1000

// Around is what metrics need beyond a report. What is unknown is left out.
type Around struct {
	User        string         // label of every sample, so that the files of two users do not collide
	LastSuccess time.Time      // of earlier audits
	Duration    time.Duration  // of this audit
	Waiting     map[string]int // alerts that wait to be sent, by sink
	Dropped     map[string]int // alerts that were dropped, by sink
	Watch       *watch.Health  // nil: no watch audits
}

// Metric is one gauge. Its name and the names of its labels never change.
type Metric struct {
	Name   string
	Unit   string // "" for plain numbers
	Labels []string
	Help   string

	samples func(*audit.Report, Around) []sample
}

// sample is a value, with the values of the labels in their order.
type sample struct {
	labels []string
	value  float64
}

// Metrics lists every metric.
func Metrics() []Metric {
	return []Metric{
		{"stackpolicy_last_success_timestamp_seconds", "seconds", nil,
			"When an audit last ended with another exit status than 3 (unknown); 0 if no such audit is known.", lastSuccess},
		{"stackpolicy_last_audit_timestamp_seconds", "seconds", nil,
			"When the facts of the last audit were collected.", lastAudit},
		{"stackpolicy_audit_duration_seconds", "seconds", nil,
			"How long the last audit took.", duration},
		{"stackpolicy_exit_status", "", nil,
			"Exit status of the last audit: 0 ok, 1 warning, 2 critical, 3 unknown.", exitStatus},
		{"stackpolicy_units_managed", "", nil,
			"Units that the last audit judged.", unitsManaged},
		{"stackpolicy_findings", "", []string{"severity"},
			"Open findings by severity: page, ticket (with heals that were not done) or unknown.", counts},
		{"stackpolicy_finding", "", []string{"invariant", "subject", "severity", "effect", "outcome"},
			"1 for an open finding; outcome is that of a heal: planned, refused or heal-failed.", findings},
		{"stackpolicy_actions", "", []string{"action", "status"},
			"Actions of the last audit, by status: planned, done, failed or refused.", actions},
		{"stackpolicy_gap", "", []string{"collector"},
			"1 for a collector that failed in the last audit.", gaps},
		{"stackpolicy_alerts_waiting", "", []string{"sink"},
			"Alerts that wait to be sent.", func(_ *audit.Report, a Around) []sample { return counted(a.Waiting) }},
		{"stackpolicy_alerts_dropped", "", []string{"sink"},
			"Alerts that were never sent because too many were waiting.", func(_ *audit.Report, a Around) []sample { return counted(a.Dropped) }},
		{"stackpolicy_watch_differences", "", nil,
			"Full audits since the watch began that found something else than it believed: each is a defect. Absent without a watch.", differences},
		{"stackpolicy_watch_lost", "", []string{"source"},
			"1 for a source of changes that the watch cannot follow: files, manager or podman. Absent without a watch.", lost},
	}
}

func only(value float64) []sample { return []sample{{nil, value}} }

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func lastSuccess(r *audit.Report, a Around) []sample {
	if finding.LevelOfExit(r.ExitCode) == finding.LevelUnknown {
		return only(seconds(a.LastSuccess))
	}
	return only(seconds(r.CollectedAt))
}

func lastAudit(r *audit.Report, _ Around) []sample { return only(seconds(r.CollectedAt)) }

func duration(_ *audit.Report, a Around) []sample {
	if a.Duration == 0 {
		return nil
	}
	return only(a.Duration.Seconds())
}

func differences(_ *audit.Report, a Around) []sample {
	if a.Watch == nil {
		return nil
	}
	return only(float64(a.Watch.Differences))
}

func lost(_ *audit.Report, a Around) (list []sample) {
	if a.Watch == nil {
		return nil
	}
	for _, source := range watch.Sources() {
		value := 0.0
		if slices.Contains(a.Watch.Lost, source) {
			value = 1
		}
		list = append(list, sample{[]string{source}, value})
	}
	return list
}

func exitStatus(r *audit.Report, _ Around) []sample { return only(float64(r.ExitCode)) }

func unitsManaged(r *audit.Report, _ Around) []sample {
	units := map[string]bool{}
	for _, d := range r.Decisions {
		if d.Subject != finding.Host {
			units[d.Subject] = true
		}
	}
	return only(float64(len(units)))
}

// open are the findings that count, the worst first.
func open(r *audit.Report) []finding.Finding {
	list := slices.DeleteFunc(slices.Clone(r.Decisions), func(f finding.Finding) bool { return !f.Counts() })
	slices.SortStableFunc(list, func(a, b finding.Finding) int { return cmp.Compare(verdictOf(a).rank, verdictOf(b).rank) })
	return list
}

func counts(r *audit.Report, _ Around) []sample {
	count := map[string]int{string(finding.Page): 0, string(finding.Ticket): 0, string(finding.Unknown): 0}
	for _, f := range open(r) {
		count[string(f.Urgency())]++
	}
	return counted(count)
}

func findings(r *audit.Report, _ Around) []sample {
	var list []sample
	for _, f := range open(r) {
		labels := []string{f.Invariant, f.Subject, string(f.Urgency()), string(f.Effect), string(f.Outcome)}
		list = append(list, sample{labels, 1})
	}
	return list[:min(len(list), maxFindings)]
}

func actions(r *audit.Report, _ Around) []sample {
	count := map[[2]string]int{}
	for _, a := range r.Actions {
		count[[2]string{string(a.Action), a.Status}]++
	}
	var list []sample
	for key, n := range count {
		list = append(list, sample{key[:], float64(n)})
	}
	slices.SortFunc(list, func(a, b sample) int { return slices.Compare(a.labels, b.labels) })
	return list
}

func gaps(r *audit.Report, _ Around) []sample {
	var list []sample
	for _, g := range r.Gaps {
		list = append(list, sample{[]string{g.Collector}, 1})
	}
	return list
}

func counted(count map[string]int) []sample {
	var list []sample
	for _, key := range slices.Sorted(maps.Keys(count)) {
		list = append(list, sample{[]string{key}, float64(count[key])})
	}
	return list
}
