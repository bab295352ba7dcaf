package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/broker"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/text"
)

// defaultListen is where a hub listens that was given no address.
const defaultListen = ":4222"

// noPage is the address that means that no page is served.
const noPage = "none"

type serving struct {
	org, listen, certificate, key string
	page                          string // address, or none
	public                        []string
}

func (a *app) serve() *cobra.Command {
	s := serving{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the hub: the broker and what reads from it",
		Long: `Runs the hub until a signal ends it. The first time it makes the hub's keys and a
certificate, which hosts know by its pin. What the flags say is kept in
server.json, so later it needs none.

Data are in one folder (--data): back it up, keys/ above all. Hosts that are
enrolled are listed by "stackfleet members".`,
		Example: "  stackfleet serve\n  stackfleet serve --org example --public hub.example.org:4222",
		Args:    cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runServe(cmd, s) },
	}
	f := cmd.Flags()
	f.StringVar(&s.org, "org", "", "`NAME` of the organisation; only the first time (default "+defaultOrg+")")
	f.StringVar(&s.listen, "listen", "", "`HOST:PORT` to listen at (default "+defaultListen+", all addresses)")
	f.StringSliceVar(&s.public, "public", nil, "`HOST:PORT` by which hosts reach this; may be repeated (default: name and addresses of this machine)")
	f.StringVar(&s.page, "page", pageAddress, "`HOST:PORT` at which the page is served, or none")
	f.StringVar(&s.certificate, "certificate", "", "your own certificate, a `FILE` in PEM, instead of one that the hub makes; hosts check it as browsers do")
	f.StringVar(&s.key, "key", "", "the private key of --certificate, a `FILE` in PEM")
	cmd.MarkFlagsRequiredTogether("certificate", "key")
	return cmd
}

func (a *app) runServe(cmd *cobra.Command, s serving) error {
	if err := s.check(); err != nil {
		return err
	}
	h, err := a.openOrMake(s.org)
	if err != nil {
		return err
	}
	if h.hasCluster() {
		return fmt.Errorf("the hub in %s uses a cluster of its own (%s): run its parts with `stackfleet archive`, or name another folder with --data", h.data, strings.Join(h.settings.Servers, ", "))
	}
	if err := s.apply(h); err != nil {
		return err
	}
	a.endsBySignal = true
	errs := cmd.ErrOrStderr()
	b, err := h.broker(cmd.Context(), errs)
	if err != nil {
		return err
	}
	defer b.Stop()
	if err := h.save(); err != nil {
		return err
	}
	c, _, err := h.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	h.announce(errs, b)
	parts := h.parts(c, errs)
	if s.page != noPage {
		parts = append(parts, h.pager(s.page, errs))
	}
	return h.run(cmd.Context(), b, parts, errs)
}

// check refuses addresses that are none, before keys are made.
func (s serving) check() error {
	for _, address := range append([]string{s.listen, s.page}, s.public...) {
		if address == "" || address == noPage {
			continue
		}
		_, port, err := net.SplitHostPort(address)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return fmt.Errorf("%q is no address of a hub: want HOST:PORT", address)
		}
	}
	return nil
}

// apply changes the settings to what the flags say.
func (s serving) apply(h *hub) (err error) {
	to := &h.settings
	if s.listen != "" {
		to.Listen = s.listen
	}
	if to.Listen == "" {
		to.Listen = defaultListen
	}
	if len(s.public) > 0 {
		to.Public = s.public
	}
	if s.certificate != "" {
		if to.Certificate, err = filepath.Abs(s.certificate); err != nil {
			return err
		}
		if to.Key, err = filepath.Abs(s.key); err != nil {
			return err
		}
	}
	return nil
}

// broker starts the broker inside.
func (h *hub) broker(ctx context.Context, errs io.Writer) (*broker.Broker, error) {
	certificate, err := h.certificate()
	if err != nil {
		return nil, err
	}
	o := broker.Options{
		Data: h.data, Listen: h.settings.Listen, Operator: h.keys.Operator, Accounts: h.keys.Accounts(), Certificate: certificate,
		Log: func(line string) { fmt.Fprintf(errs, "stackfleet: broker: %s\n", text.Clean(line)) },
	}
	if h.settings.Certificate != "" {
		o.Renewed = h.certificate // it is renewed while the hub runs
	}
	return broker.Start(ctx, o)
}

func (h *hub) announce(errs io.Writer, b *broker.Broker) {
	fmt.Fprintf(errs, "stackfleet: the hub of %s listens at %s; its data are in %s\n", text.Clean(h.keys.Org), b.Address(), h.data)
	fmt.Fprintln(errs, "stackfleet: enroll a host in another terminal: stackfleet enroll HOST")
	if err := systemd.Notify(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
		fmt.Fprintf(errs, "stackfleet: %s\n", text.Clean(err.Error()))
	}
}

// part is what runs beside the broker, until its context ends or it fails.
type part func(ctx context.Context) error

// parts returns what reads from the broker.
func (h *hub) parts(c *nats.Conn, errs io.Writer) []part {
	return []part{h.archiver(c, errs), h.releaser(c, errs), h.alarmer(errs)}
}

// run runs the parts until a signal or an error ends one. The broker is stopped after them.
func (h *hub) run(ctx context.Context, b *broker.Broker, parts []part, errs io.Writer) error {
	group, within := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error { return p(within) })
	}
	group.Go(func() error {
		select {
		case <-within.Done():
			return nil
		case err := <-b.Ended():
			return err
		}
	})
	err := group.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		fmt.Fprintln(errs, "stackfleet: stopped")
		return nil
	}
	return err
}
