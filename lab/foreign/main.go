// Command foreign puts folders of somebody else's quadlets, unit files and compose files
// before podman's generator, systemd, the compose provider and stackpolicy:
//
//	go run ./lab/foreign DIR…                   Debian trixie: systemd 257, podman 5.4
//	go run ./lab/foreign -suite bookworm DIR…   systemd 252, no quadlets
//
// It prints for each file what is loaded and what is refused, by whom, and where the verdicts
// do not agree, and ends with the counts. Nothing of the files is started. It needs root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/foreign/composes"
	"stackpolicy/lab/foreign/definitions"
	"stackpolicy/lab/programs"
	"stackpolicy/lab/usermanager"
)

func main() {
	suite := flag.String("suite", debian.Trixie, "the Debian release")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *suite, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "foreign:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, suite string, dirs []string) error {
	if len(dirs) == 0 {
		return errors.New("usage: foreign [-suite SUITE] DIR…")
	}
	root, err := debian.Cached(ctx, suite)
	if err != nil {
		return err
	}
	program, remove, err := programs.Stackpolicy(ctx)
	if err != nil {
		return err
	}
	defer remove()
	for _, dir := range dirs {
		if err := judge(ctx, program, usermanager.Options{Root: root}, dir); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

func judge(ctx context.Context, program string, options usermanager.Options, dir string) error {
	if err := definitions.Run(ctx, program, options, dir, os.Stdout); err != nil {
		return err
	}
	files, err := composes.Find(dir)
	if err != nil || len(files) == 0 {
		return err
	}
	return composes.Run(ctx, dir, os.Stdout)
}
