// Command root makes a root file system to run user managers and machines in,
// of another Debian release than the machine's own:
//
//	go run ./lab/root trixie /var/tmp/stackpolicy-trixie
//
// It needs root, mmdebstrap, and a Debian machine. A root file system that is
// finished stays as it is; an unfinished one is made again. The tests have one
// made automatically (see lab/debian); this is only needed for another release.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"stackpolicy/lab/debian"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "root:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: root DEBIAN-SUITE DIR")
	}
	dir, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	return debian.Build(ctx, args[0], dir, os.Stderr)
}
