package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// table shows how many seconds each scenario took on each release, and the total.
func table(s selection, r results, total time.Duration) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "scenario\t%s\n", strings.Join(s.suites, "\t"))
	passed := 0
	for _, scenario := range s.scenarios {
		cells := []string{scenario}
		for _, suite := range s.suites {
			one := r[[2]string{suite, scenario}]
			if one.action == "pass" {
				passed++
			}
			cells = append(cells, cell(one))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush() // a builder never fails
	fmt.Fprintf(&b, "\n%d of %d passed in %s\n", passed, len(s.suites)*len(s.scenarios), seconds(total))
	return b.String()
}

func cell(r result) string {
	switch r.action {
	case "pass":
		return seconds(r.took)
	case "fail":
		return "FAILED after " + seconds(r.took)
	case "skip":
		return "skipped"
	}
	return "did not run"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
