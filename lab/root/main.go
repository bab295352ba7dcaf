// Command root makes a root file system of a Debian release. The lab runs user managers
// and machines in it:
//
//	go run ./lab/root trixie /var/tmp/stackpolicy-trixie
//
// It needs root, mmdebstrap, and a Debian machine. A finished root file system is not
// changed, and an unfinished one is replaced. The tests make their own roots automatically
// (see lab/debian); use this command for another release.
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
