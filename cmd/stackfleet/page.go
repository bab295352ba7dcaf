package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/page"
	"stackpolicy/internal/text"
)

// pageAddress is where the page is served if nobody says otherwise.
const pageAddress = "127.0.0.1:8460"

func (a *app) pageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "page",
		Short: "Write the page of the fleet to a folder, or serve it",
		Long: `Writes the page of the fleet, the same as JSON, metrics, and a page of each source that
has changed, or serves them until Ctrl-C: as of each request, to GET and HEAD only.

The page has what hosts say about their users' files and services, and asks for no
password. So it is served on loopback, and only to names of this machine. For readers
elsewhere, write it to a folder of a web server that does ask, or put one before it.
Files in the folder can be read by everybody who may enter the folder.

Written pages do not change by themselves: write them again every few minutes. A page
that is older than half an hour says so in a browser with JavaScript.`,
		Example: `  stackfleet page --listen 127.0.0.1:8460
  stackfleet page --to /srv/www/fleet`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := cmd.Flags().String("to", "", "write index.html, fleet.json, fleet.prom and source/ to this `FOLDER`")
	listen := cmd.Flags().String("listen", pageAddress, "serve at this `ADDRESS`, without --to")
	_ = cmd.MarkFlagDirname("to")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *to != "" && cmd.Flags().Changed("listen") {
			return errors.New("--to writes the page and --listen serves it; leave one of them out")
		}
		m, archive, err := a.maker(cmd.Context())
		if err != nil {
			return err
		}
		defer archive.Close()
		if *to != "" {
			return m.Write(cmd.Context(), *to)
		}
		a.endsBySignal = true
		return servePage(cmd, m, *listen)
	}
	return cmd
}

// servePage serves the page until the command is interrupted.
func servePage(cmd *cobra.Command, m page.Maker, address string) error {
	l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", address)
	if err != nil {
		return fmt.Errorf("serve the page: %w; choose another address with --listen", err)
	}
	errs := cmd.ErrOrStderr()
	announcePage(errs, l.Addr())
	failed := func(err error) { fmt.Fprintf(errs, "stackfleet: %s\n", text.CleanBlock(err.Error())) }
	return page.NewServer(m, failed).Serve(cmd.Context(), l)
}

// announcePage says where the page is, and who can read it if that is not only this machine.
func announcePage(errs io.Writer, at net.Addr) {
	fmt.Fprintf(errs, "stackfleet: the page is at http://%s/\n", at)
	if tcp, is := at.(*net.TCPAddr); is && !tcp.IP.IsLoopback() {
		fmt.Fprintln(errs, "stackfleet: this address is not loopback, and the page asks for no password: whoever reaches it can read the page, with Host: localhost")
	}
}

// pager returns what serves the page beside the broker. Evidence is taken also if it cannot: then
// it says so.
func (h *hub) pager(address string, errs io.Writer) part {
	say := func(err error) { fmt.Fprintf(errs, "stackfleet: page: %s\n", text.CleanBlock(err.Error())) }
	return func(ctx context.Context) error {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			say(fmt.Errorf("it is not served: %w; choose another address with --page", err))
			return nil
		}
		announcePage(errs, l.Addr())
		m, archive := makerOf(ctx, h.data, h.keys)
		defer archive.Close()
		if err := page.NewServer(m, say).Serve(ctx, l); err != nil {
			say(err)
		}
		return nil
	}
}
