// Command walk takes a random walk beside `stackpolicy watch`. On a throwaway user manager it
// changes units, links, drop-ins, containers, the configuration, holds and what the manager
// runs, one thing after the other and in bursts, and compares what the lines of one watch add
// up to with the verdict of a fresh audit. The watch has two seconds; what still differs then
// is a find, and so is a difference that the watch's own full audits report.
//
// A find is printed with the least steps that show it and the seed of its episode.
//
//	go run ./lab/walk [-steps 1000] [-seed 1] [-suite bookworm] [-v]
//
// Start at run in walk.go: steps.go has what is changed, follow.go the watch, and verdict.go
// the comparison.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/programs"
	"stackpolicy/lab/usermanager"
)

func main() {
	steps := flag.Int("steps", 500, "how many steps, in sum")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "the first episode")
	suite := flag.String("suite", "", "a Debian release (trixie, bookworm) in place of this machine's systemd")
	only := flag.String("only", "", "only steps whose name has this text")
	verbose := flag.Bool("v", false, "print each step")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *steps, *seed, *suite, *only, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "walk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, steps int, seed uint64, suite, only string, verbose bool) error {
	options := usermanager.Options{}
	if suite != "" {
		root, err := debian.Cached(ctx, suite)
		if err != nil {
			return err
		}
		options.Root = root
	}
	program, remove, err := programs.Stackpolicy(ctx)
	if err != nil {
		return err
	}
	defer remove()
	w := &walk{program: program, options: options, only: only, patience: patience, log: os.Stdout, verbose: verbose, counts: counts{}}
	defer w.close()
	start, finds := time.Now(), 0
	for i := uint64(0); w.counts["steps"] < steps && ctx.Err() == nil; i++ {
		f, err := w.episode(ctx, seed+i)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if f != nil {
			finds++
			fmt.Println(f)
			w.shrink(ctx, f)
			fmt.Println(f)
		}
	}
	w.close()
	fmt.Print(w.table(time.Since(start)))
	if finds > 0 {
		return fmt.Errorf("%d finds", finds)
	}
	return errors.Join(ctx.Err())
}
