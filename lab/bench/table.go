package main

import (
	"fmt"
	"slices"
	"strings"

	"stackpolicy/lab/bench/contest"
)

// row is one line of the table. It compares stackpolicy with something else, in the same
// unit.
type row struct {
	claim, about string
	against      string    // name of the other side, in a word or two
	ours, theirs []float64 // one figure for each round
	unit         string    // s, ms or MiB
	bound        float64   // the highest ratio that passes
}

// ratio returns the ratio of the medians.
func (r row) ratio() float64 { return median(r.ours) / median(r.theirs) }

// isWithinBound compares the ratio with two decimals, as the table shows it.
func (r row) isWithinBound() bool { return r.ratio() < r.bound+0.005 }

func (r row) verdict() string {
	if r.isWithinBound() {
		return "pass"
	}
	return "FAIL"
}

// table formats the rows as text with at most 80 columns.
func table(rows []row) string {
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	line := func(cells ...any) {
		text := fmt.Sprintf("%-2s%-25s%9s  %-20s%6s%8s%6s", cells...)
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line("", "median of all rounds", "ours", "against", "ratio", "at most", "")
	for _, r := range rows {
		line(r.claim, r.about, amount(median(r.ours), r.unit),
			r.against+" "+amount(median(r.theirs), r.unit),
			fmt.Sprintf("%.2f", r.ratio()), fmt.Sprintf("%.2f", r.bound), r.verdict())
	}
	return b.String()
}

// amount formats a figure with its unit. Less than one second is shown in milliseconds.
func amount(value float64, unit string) string {
	if unit == "s" && value < 1 {
		value, unit = 1000*value, "ms"
	}
	decimals := 0
	switch {
	case value < 1:
		decimals = 3
	case value < 10:
		decimals = 2
	case value < 100:
		decimals = 1
	}
	return fmt.Sprintf("%.*f %s", decimals, value, unit)
}

// seconds and mebibytes return the figures for a row.
func seconds(samples []contest.Sample) []float64 {
	return figures(samples, func(s contest.Sample) float64 { return s.Elapsed.Seconds() })
}

func mebibytes(samples []contest.Sample) []float64 {
	return figures(samples, func(s contest.Sample) float64 { return float64(s.MaxRSS) / (1 << 20) })
}

func figures(samples []contest.Sample, figure func(contest.Sample) float64) []float64 {
	list := make([]float64, len(samples))
	for i, s := range samples {
		list[i] = figure(s)
	}
	return list
}

// sum adds the figures of two contestants, round by round.
func sum(a, b []float64) []float64 {
	total := make([]float64, len(a))
	for i := range a {
		total[i] = a[i] + b[i]
	}
	return total
}

// median returns the middle figure, or the mean of the two in the middle.
func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// each converts the seconds for so many thousand units into milliseconds for each unit.
func each(seconds []float64, thousands float64) []float64 {
	list := make([]float64, len(seconds))
	for i, s := range seconds {
		list[i] = s / thousands
	}
	return list
}
