package main

import (
	"fmt"
	"strings"
)

// row is one line of the table: what stackpolicy took beside what it is held
// against, in the same unit.
type row struct {
	claim, about string
	against      string    // the other side, in a word or two
	ours, theirs []float64 // one figure a round
	unit         string    // s, ms or MiB
	bound        float64   // the ratio must not be above it
}

// ratio is that of the medians.
func (r row) ratio() float64 { return median(r.ours) / median(r.theirs) }

// holds compares what the table shows: two decimals.
func (r row) holds() bool { return r.ratio() < r.bound+0.005 }

func (r row) verdict() string {
	if r.holds() {
		return "pass"
	}
	return "FAIL"
}

// table is the rows as text of at most 80 columns.
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

// amount is a figure with its unit; seconds below one are milliseconds.
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
