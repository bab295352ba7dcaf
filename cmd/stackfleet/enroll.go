package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/release"
	"stackpolicy/internal/text"
)

// tokenTime is how long a token may be used.
const tokenTime = time.Hour

type enrolling struct {
	user, fingerprint string
	isYes             bool
}

func (a *app) enroll() *cobra.Command {
	e := enrolling{}
	cmd := &cobra.Command{
		Use:   "enroll HOST",
		Short: "Make a token for a host, and wait until it is enrolled",
		Long: `Prints the command to run at the host, with a token that works once and for an
hour. Then it waits for the host, shows the fingerprint of the key that the host
made, and asks whether it is the same that the host shows.

HOST is the name that the host has in the fleet. Each account of a host is
enrolled separately. The token goes to standard output, all else to standard
error. Whoever sees the token can ask in the host's place: send it by a way that
you trust, and compare the fingerprints.`,
		Example: "  stackfleet enroll web\n  stackfleet enroll web --user alice",
		Args:    cli.Takes("HOST"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runEnroll(cmd, args[0], e) },
	}
	f := cmd.Flags()
	f.StringVar(&e.user, "user", "", "`NAME` of the account that may use the token (default: any)")
	f.StringVar(&e.fingerprint, "fingerprint", "", "do not ask, and enroll only the key with this fingerprint (`SHA256:…`), which `stackpolicy enroll --fingerprint` prints")
	f.BoolVar(&e.isYes, "yes", false, "do not ask, and enroll whoever uses the token first")
	cmd.MarkFlagsMutuallyExclusive("fingerprint", "yes")
	return cmd
}

func (a *app) runEnroll(cmd *cobra.Command, host string, e enrolling) error {
	h, err := a.open()
	if err != nil {
		return err
	}
	if e.fingerprint != "" && !strings.HasPrefix(e.fingerprint, "SHA256:") {
		return fmt.Errorf("--fingerprint %q: want SHA256: and the digest, as the host shows it", e.fingerprint)
	}
	c, js, err := h.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	token, err := h.token(host, e.user)
	if err != nil {
		return err
	}
	root, err := h.releaseRoot()
	if err != nil {
		return err
	}
	errs := cmd.ErrOrStderr()
	tell := func(line string) { fmt.Fprintf(errs, "stackfleet: %s\n", text.Clean(line)) }
	if e.isYes {
		tell("--yes: whoever uses the token first is enrolled, and nobody compares the key")
	}
	d := enroll.Desk{
		Conn: c, Token: token, Key: h.keys.Registry, ReleaseRoot: root, Registry: h.registry(js), Issue: h.keys.Host, IsRevoked: h.keys.IsRevoked,
		Confirm: e.confirm(host, cmd.InOrStdin(), errs), Tell: tell,
		Ready: func() error { return offer(cmd.OutOrStdout(), errs, host, e.user, token) },
	}
	id, err := d.Await(cmd.Context())
	if err != nil {
		return err
	}
	tell(fmt.Sprintf("%s at the host %s is enrolled, with the key %s", id.User, id.Host, id.Key.Fingerprint()))
	return nil
}

// offer prints the command for the host.
func offer(out, errs io.Writer, host, user string, token enroll.Token) error {
	fmt.Fprintf(errs, "stackfleet: run this at %s as %s, before %s; this command waits for it:\n\n", text.Clean(host), text.Clean(cmp.Or(user, "the account whose units are audited")), token.Expires.Local().Format("15:04"))
	if _, err := fmt.Fprintf(out, "stackpolicy enroll %s\n", token); err != nil {
		return err
	}
	fmt.Fprintln(errs)
	return nil
}

// token makes a token for a host.
func (h *hub) token(host, user string) (enroll.Token, error) {
	urls, err := h.publicURLs()
	if err != nil {
		return enroll.Token{}, err
	}
	_, pin, err := h.pin()
	if err != nil {
		return enroll.Token{}, err
	}
	return enroll.NewToken(enroll.Token{
		URLs: urls, Pin: pin, Org: h.keys.Org, Host: host, User: user, Registry: h.keys.Registry.Public(), Archive: h.keys.Archive.Public(),
	}, time.Now().Add(tokenTime), h.keys.Enrollee)
}

// releaseRoot returns the root of the releases that hosts trust; nil if the hub has none.
func (h *hub) releaseRoot() ([]byte, error) {
	dir := filepath.Join(h.data, "release")
	if !exists(dir) {
		return nil, nil
	}
	root, err := release.At(dir).Root()
	if errors.Is(err, release.ErrNoRoot) { // it is begun, and not published
		return nil, nil
	}
	return root, err
}

// confirm returns how a host is confirmed: by the operator, by a fingerprint, or not at all.
func (e enrolling) confirm(host string, in io.Reader, errs io.Writer) func(context.Context, enroll.Request) (bool, error) {
	return func(ctx context.Context, r enroll.Request) (bool, error) {
		got := r.Key.Fingerprint()
		switch {
		case e.isYes:
			return true, nil
		case e.fingerprint != "" && e.fingerprint != got:
			return false, fmt.Errorf("the key that asks is %s, not %s", got, e.fingerprint)
		case e.fingerprint != "":
			return true, nil
		}
		fmt.Fprintf(errs, "%s asks to be enrolled as %s, account %s (stackpolicy %s), with the key\n\n  %s\n\nDoes it show the same? [y/N] ",
			text.Clean(cmp.Or(r.Hostname, "a machine without a name")), text.Clean(host), text.Clean(r.User), text.Clean(r.Program), got)
		return answered(ctx, in)
	}
}

// answered reads the operator's answer. The end of the input is no.
func answered(ctx context.Context, in io.Reader) (bool, error) {
	type read struct {
		line string
		err  error
	}
	got := make(chan read, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, 1000)).ReadString('\n')
		got <- read{line, err}
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case r := <-got:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return false, fmt.Errorf("read the answer: %w", r.err)
		}
		switch strings.ToLower(strings.TrimSpace(r.line)) {
		case "y", "yes":
			return true, nil
		}
		return false, nil
	}
}
