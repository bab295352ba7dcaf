// Command bench measures stackpolicy's promises of speed. It compares stackpolicy with the
// tools that one would use instead, in one run on one machine:
//
//	go run ./lab/bench            # all claims, three quarters of an hour
//	go run ./lab/bench --only b,c # these alone
//
// It prints a table of ratios and exits with 1 if a ratio is above its bound.
//
// Start at claims.go. stage.go makes the user manager that is audited, tools.go the programs
// that are compared, and table.go the result. Package contest measures, and package past makes
// large documents and a long history.
//
// It needs what lab/usermanager needs. The first run also needs a network: it installs
// conftest, and builds opa in the version of go.mod.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"stackpolicy/lab/bench/contest"
)

func main() {
	if len(os.Args) > 3 && os.Args[1] == contest.Verb {
		os.Exit(contest.Main(os.Args[2], os.Args[3:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the options of the command line.
type options struct {
	only        []string
	short, long int
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(errs)
	only := set.String("only", "", "claims to measure, such as a,b (default: all)")
	set.IntVar(&o.short, "rounds", 10, "repetitions of what takes well under a second")
	set.IntVar(&o.long, "long-rounds", 3, "repetitions of what takes longer")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 || o.short < 1 || o.long < 1 {
		return o, errors.New("want no arguments, and at least one round")
	}
	known := letters()
	o.only = known
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, letter := range o.only {
		if !slices.Contains(known, letter) {
			return o, fmt.Errorf("no claim %q; known: %s", letter, strings.Join(known, ", "))
		}
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "stackpolicy-bench-")
	if err != nil {
		return fmt.Errorf("make a scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	b, err := prepare(ctx, dir, o, errs)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, machine(ctx))
	return b.all(ctx, out)
}

// all measures the selected claims.
func (b *bench) all(ctx context.Context, out io.Writer) error {
	var rows []row
	var failed []error
	for _, c := range claims {
		if !slices.Contains(b.only, c.letter) {
			continue
		}
		b.say("measure claim %s", c.letter)
		measured, err := c.measure(b, ctx)
		if err != nil {
			failed = append(failed, fmt.Errorf("claim %s is void: %w", c.letter, err))
		}
		rows = append(rows, measured...)
	}
	if _, err := io.WriteString(out, table(rows)); err != nil {
		return err
	}
	for _, r := range rows {
		if !r.isWithinBound() {
			failed = append(failed, fmt.Errorf("claim %s: %s: %.2f is above %.2f", r.claim, r.about, r.ratio(), r.bound))
		}
	}
	return errors.Join(failed...)
}

// machine describes the machine on which the figures were taken.
func machine(ctx context.Context) string {
	systemd := "systemd unknown"
	if text, err := exec.CommandContext(ctx, "systemctl", "--version").Output(); err == nil {
		systemd, _, _ = strings.Cut(string(text), "\n")
	}
	return fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), runtime.Version(), systemd)
}
