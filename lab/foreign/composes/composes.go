// Package composes runs compose files that somebody else wrote through what stackctl does
// before it changes anything, and through podman-compose of Debian 12 and 13, and says who
// refuses which. Nothing is ever started: it all happens in throwaway machines, with
// true(1) in the place of podman.
//
// Start at [Run].
package composes

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"stackpolicy/lab/debian"
)

// limit bounds a run. A file takes about a second.
const limit = 2 * time.Hour

// Suites are the releases whose podman-compose is asked, and what it is.
var Suites = []struct{ Suite, Provider string }{
	{debian.Bookworm, "podman-compose 1.0.3"},
	{debian.Trixie, "podman-compose 1.3.0"},
}

// Run checks every compose file below dir, and prints for each who refuses it and why, and
// at the end how many there are of each kind. It needs what lab/machine needs.
func Run(ctx context.Context, dir string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	verdicts, err := checkAll(ctx, dir, true)
	if err != nil {
		return err
	}
	report(verdicts, out)
	return nil
}

// checkAll returns the verdicts by suite, in the order of Suites. All have the same files.
func checkAll(ctx context.Context, dir string, asItIs bool) ([][]Verdict, error) {
	verdicts := make([][]Verdict, len(Suites))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range Suites {
		group.Go(func() (err error) {
			if verdicts[i], err = in(ctx, s.Suite, dir, asItIs); err != nil {
				err = fmt.Errorf("%s: %w", s.Suite, err)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, v := range verdicts {
		if len(v) != len(verdicts[0]) {
			return nil, fmt.Errorf("%d compose files in one machine and %d in the other", len(v), len(verdicts[0]))
		}
	}
	return verdicts, nil
}

func report(verdicts [][]Verdict, out io.Writer) {
	loaded := 0
	for i, v := range verdicts[0] {
		if v.Loader != "" {
			fmt.Fprintf(out, "%s: refused by the loader: %s\n", printable(v.File), printable(v.Loader))
			continue
		}
		loaded++
		fmt.Fprintf(out, "%s: loads\n", printable(v.File))
		for n, suite := range Suites {
			for _, line := range verdicts[n][i].lines() {
				fmt.Fprintf(out, "    %s %s\n", suite.Provider, printable(line))
			}
		}
	}
	fmt.Fprintf(out, "\n%d compose files: %d load, %d refused by the loader\n", len(verdicts[0]), loaded, len(verdicts[0])-loaded)
	for n, suite := range Suites {
		raw, given, cannot := 0, 0, 0
		for _, v := range verdicts[n] {
			raw += count(v.Raw != "")
			given += count(v.Given != "")
			cannot += count(v.Given == "" && len(v.Cannot) > 0)
		}
		fmt.Fprintf(out, "%s refuses %d of them as they are and %d as stackctl gives them; of %d more preflight says that it cannot\n",
			suite.Provider, raw, given, cannot)
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// lines are what a provider has against a file.
func (v Verdict) lines() (lines []string) {
	if v.Raw != "" {
		lines = append(lines, "refuses it as it is: "+v.Raw)
	}
	if v.Given != "" {
		lines = append(lines, "refuses what stackctl gives it: "+v.Given)
	}
	if len(v.Cannot) > 0 {
		lines = append(lines, "cannot: "+strings.Join(v.Cannot, ", "))
	}
	if len(v.Leaves) > 0 {
		lines = append(lines, "leaves out: "+strings.Join(v.Leaves, ", "))
	}
	return lines
}

// printable is a text of somebody else on one line of a terminal.
func printable(text string) string {
	quoted := strconv.QuoteToGraphic(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
