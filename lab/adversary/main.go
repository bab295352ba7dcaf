// Command adversary attacks enforcing audits. On a throwaway user manager it draws steps of
// an attacker who has certain rights, and of an owner who changes the declared units
// lawfully, and audits in between with the real program. After each audit it asks the
// manager what is in force, and fails if the program broke a promise of
// docs/threat-model.md:
//
//   - its reload brings nothing undeclared in force, and it starts no stopped unit;
//   - what is in force and undeclared is a finding;
//   - where it says that all is well, that is so, also after the next reload by anybody;
//   - what it calls healed is healed;
//   - it ends, without a crash, with a report;
//   - when all is cleaned up, the next audits find nothing.
//
// A failure is printed with the least steps that show it, and the seed of its episode.
//
//	go run ./lab/adversary [-steps 1000] [-seed 1] [-rights home] [-suite trixie] [-v]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/programs"
	"stackpolicy/lab/usermanager"
)

func main() {
	steps := flag.Int("steps", 500, "how many steps, in sum")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "the first episode")
	rights := flag.String("rights", "", "only this attacker: "+strings.Join(attackers, ", "))
	suite := flag.String("suite", "", "a Debian release (trixie, bookworm) in place of this machine's systemd")
	verbose := flag.Bool("v", false, "print each step")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *steps, *seed, *rights, *suite, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "adversary:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, steps int, seed uint64, rights, suite string, verbose bool) error {
	options := usermanager.Options{}
	if suite != "" {
		root, err := debian.Cached(ctx, suite)
		if err != nil {
			return err
		}
		options.Root = root
	}
	chosen := attackers
	if rights != "" {
		if !slices.Contains(attackers, rights) {
			return fmt.Errorf("there is no attacker %q; known: %s", rights, strings.Join(attackers, ", "))
		}
		chosen = []string{rights}
	}
	program, remove, err := programs.Stackpolicy(ctx)
	if err != nil {
		return err
	}
	defer remove()
	c := &campaign{program: program, options: options, log: os.Stdout, verbose: verbose, counts: counts{}}
	defer c.close()
	start, failures := time.Now(), 0
	for i := uint64(0); c.counts["steps"] < steps && ctx.Err() == nil; i++ {
		f, err := c.episode(ctx, chosen[i%uint64(len(chosen))], seed+i/uint64(len(chosen)))
		if err != nil && ctx.Err() == nil {
			return err
		}
		if f != nil {
			failures++
			c.shrink(ctx, f)
			fmt.Println(f)
		}
	}
	fmt.Print(c.counts.table(time.Since(start)))
	if failures > 0 {
		return fmt.Errorf("%d episodes broke a promise", failures)
	}
	return errors.Join(ctx.Err())
}
