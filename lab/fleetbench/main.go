// Command fleetbench measures the promises of a fleet on one machine: a real hub with its broker,
// archive and workers, and simulated hosts whose memories the year simulator of lab/bench made.
//
//	go run ./lab/fleetbench                        # 100 hosts of 3 days
//	go run ./lab/fleetbench -hosts 1000 -days 30   # the whole: an hour
//
// Each host has a history, keys, a name and a chain of its own. That is what an impact is measured
// of: no document of one host is one of another, so that nothing which a worker decided spares
// another work. With -histories some share their history, which is faster to make; then a worker
// decides most documents once, and two workers decide each twice, so that their ratio says little.
//
// It prints a table of figures with their bounds, and exits with 1 if one is missed.
//
// Start at run. hosts.go makes the envelopes, hub.go runs the programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fleetbench:", err)
		os.Exit(1)
	}
}

// options are the options of the command line.
type options struct {
	hosts, days, histories, units int
	facts, folder                 string
}

func parse(args []string, errs io.Writer) (o options, err error) {
	set := flag.NewFlagSet("fleetbench", flag.ContinueOnError)
	set.SetOutput(errs)
	set.IntVar(&o.hosts, "hosts", 100, "simulated hosts")
	set.IntVar(&o.days, "days", 3, "days of history of each, with 48 audits a day")
	set.IntVar(&o.histories, "histories", 0, "distinct histories among them; 0: as many as hosts")
	set.IntVar(&o.units, "units", 20, "units of each host")
	set.StringVar(&o.facts, "facts", "testdata/facts/good.json", "document to begin with")
	set.StringVar(&o.folder, "folder", "", "folder to work in; it is kept (default: a temporary one)")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 || min(o.hosts, o.days, o.units) < 1 || o.histories < 0 {
		return o, errors.New("want no arguments, and at least one of each")
	}
	if o.histories == 0 || o.histories > o.hosts {
		o.histories = o.hosts
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	if o.folder == "" {
		if o.folder, err = os.MkdirTemp("", "fleetbench-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.folder)
	}
	said := time.Now()
	say := func(format string, words ...any) {
		fmt.Fprintf(errs, "%6.1f s  %s\n", time.Since(said).Seconds(), fmt.Sprintf(format, words...))
	}
	b := &bench{options: o, say: say}
	defer b.end()
	for _, step := range []func(context.Context) error{b.start, b.histories, b.enroll, b.ingest, b.apply, b.look, b.ask, b.send, b.sizes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return b.table(out)
}
