package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/spool"
	"stackpolicy/gate"
	"stackpolicy/internal/text"
)

const enrollLong = `Makes keys for this account, shows the fingerprint of the one that signs its
evidence, and asks the hub that made the token to enroll it. The operator of the
hub compares the fingerprint and confirms it. If it is interrupted, run it again
with the same token, without --new-key.

Other users of this machine can see the token while the command runs. With - as
TOKEN it is read from standard input.

Exit status:
  0  this account is enrolled
  3  it is not: the message says why, and what to do`

type enrolling struct{ isNew, isFingerprint bool }

func enrollCommand() *cobra.Command {
	e := enrolling{}
	cmd := &cobra.Command{
		Use: "enroll TOKEN", Short: "Make this account a member of a fleet", Long: enrollLong,
		Example:           "  stackpolicy enroll TOKEN\n  stackpolicy enroll - < token",
		Args:              func(_ *cobra.Command, args []string) error { return e.check(args) },
		RunE:              func(cmd *cobra.Command, args []string) error { return e.run(cmd, args) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&e.isNew, "new-key", false, "put the account's keys, its membership and what waits to be sent aside first (*.old): after a theft, or to leave another fleet")
	cmd.Flags().BoolVar(&e.isFingerprint, "fingerprint", false, "only print the fingerprint of this account's key, which is made if there is none")
	return cmd
}

// check wants one token, unless the fingerprint is asked for.
func (e *enrolling) check(args []string) error {
	if e.isFingerprint && len(args) == 0 || !e.isFingerprint && len(args) == 1 {
		return nil
	}
	return errors.New("give the token that `stackfleet enroll HOST` printed at the hub, or - to read it from standard input")
}

func (e *enrolling) run(cmd *cobra.Command, args []string) error {
	j, err := joining(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	var token enroll.Token
	if !e.isFingerprint {
		if token, err = readToken(args[0], cmd.InOrStdin()); err != nil {
			return err
		}
	}
	if e.isNew {
		if err := errors.Join(spool.PutAside(j.StateHome, time.Now()), enroll.PutAside(j.StateHome)); err != nil {
			return err
		}
	}
	if !e.isFingerprint {
		return join(cmd, token, j)
	}
	key, err := enroll.Key(j.StateHome)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Public().Fingerprint())
	return err
}

// readToken reads a token from the command line, or from standard input if that says -.
func readToken(given string, in io.Reader) (enroll.Token, error) {
	if given == "-" {
		line, err := bufio.NewReader(io.LimitReader(in, 10_000)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return enroll.Token{}, fmt.Errorf("read the token: %w", err)
		}
		given = line
	}
	return enroll.ParseToken(given)
}

func join(cmd *cobra.Command, token enroll.Token, j enroll.Joining) error {
	m, err := enroll.Join(cmd.Context(), token, j)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s is a member of the fleet %s, as the host %s\n", text.Clean(m.User), text.Clean(m.Org), text.Clean(m.Host))
	c, err := enroll.Connect(cmd.Context(), j.StateHome, m)
	if err != nil {
		return fmt.Errorf("this account is enrolled, but it does not reach the hub: %w", err)
	}
	c.Close()
	return nil
}

// joining returns who runs this.
func joining(errs io.Writer) (j enroll.Joining, err error) {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return j, err
	}
	j = enroll.Joining{StateHome: env.StateHome, User: env.Name, Program: cli.Version(), Tell: func(line string) {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.Clean(line))
	}}
	if j.Hostname, err = os.Hostname(); err != nil {
		j.Hostname = "" // the operator sees the name that the token has
	}
	j.Boot, err = gate.BootID()
	return j, err
}
