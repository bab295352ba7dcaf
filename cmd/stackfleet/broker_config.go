package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/link"
	"stackpolicy/internal/text"
)

type clustering struct {
	org, node, pin, certificate, key, authority, store string
	servers                                            []string
	routes                                             int
}

func (a *app) brokerConfig() *cobra.Command {
	c := clustering{}
	cmd := &cobra.Command{
		Use:   "broker-config",
		Short: "Print the configuration of a server of your own NATS cluster",
		Long: `Prints the configuration of one nats-server of your own cluster, instead of the
broker inside of "stackfleet serve", and keeps the servers' addresses in
server.json: all other verbs use that cluster then. Nothing in the configuration
is secret. Use three servers, each on a machine of its own.

Hosts check the servers' certificate as browsers do, or by its pin (--pin).`,
		Example: `  stackfleet broker-config --server n1.example.org:4222 --server n2.example.org:4222 --server n3.example.org:4222 > n1.conf
  stackfleet broker-config --node n2.example.org > n2.conf`,
		Args: cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runBrokerConfig(cmd.OutOrStdout(), cmd.ErrOrStderr(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.org, "org", "", "`NAME` of the organisation; only the first time (default "+defaultOrg+")")
	f.StringSliceVar(&c.servers, "server", nil, "`HOST:PORT` of a server, for hosts and the hub; once for each (default: as before)")
	f.StringVar(&c.node, "node", "", "`HOST` of the server whose configuration is printed (default: the first)")
	f.IntVar(&c.routes, "route-port", 6222, "`PORT` by which servers reach each other")
	f.StringVar(&c.certificate, "certificate", "/etc/nats/server.pem", "`FILE` of the servers' certificate, there")
	f.StringVar(&c.key, "key", "/etc/nats/server.key", "`FILE` of its private key, there")
	f.StringVar(&c.authority, "authority", "/etc/nats/ca.pem", "`FILE` of the authority that signed it, there: servers check each other by it")
	f.StringVar(&c.store, "store", "/var/lib/nats", "`FOLDER` of the servers' data, there")
	f.StringVar(&c.pin, "pin", "", "a `FILE` with the certificate, here: hosts know it by its pin, and ask no authority")
	return cmd
}

func (a *app) runBrokerConfig(out, errs io.Writer, c clustering) error {
	if err := (serving{public: c.servers}).check(); err != nil {
		return err
	}
	if data, err := a.folder(); err != nil || len(c.servers) == 0 && !exists(authority.Folder(data)) {
		return errors.Join(err, errNoServers) // before keys are made
	}
	h, err := a.openOrMake(c.org)
	if err != nil {
		return err
	}
	if err := c.apply(h); err != nil {
		return err
	}
	n, err := c.nodeOf(h.settings.Servers)
	if err != nil {
		return err
	}
	config, err := h.keys.Config(n)
	if err != nil {
		return err
	}
	if err := h.save(); err != nil {
		return err
	}
	fmt.Fprintf(errs, "stackfleet: this is for %s; the hub in %s uses %s\n", text.Clean(n.Name), h.data, text.Clean(strings.Join(h.settings.Servers, ", ")))
	_, err = io.WriteString(out, config)
	return err
}

var errNoServers = errors.New("name each server with --server HOST:PORT")

// apply changes the settings to what the flags say.
func (c clustering) apply(h *hub) (err error) {
	if len(c.servers) > 0 {
		h.settings.Servers = c.servers
	}
	if !h.hasCluster() {
		return errNoServers
	}
	if c.pin != "" {
		h.settings.Pin, err = link.PinOfFile(c.pin)
	}
	return err
}

// nodeOf returns the server whose configuration is printed. A server alone has no routes.
func (c clustering) nodeOf(servers []string) (n authority.Node, err error) {
	hosts, ports := make([]string, len(servers)), make([]string, len(servers))
	for i, s := range servers {
		if hosts[i], ports[i], err = net.SplitHostPort(s); err != nil {
			return n, fmt.Errorf("%q is no address of a server: want HOST:PORT", s)
		}
	}
	at := 0
	if c.node != "" {
		if at = slices.Index(hosts, c.node); at < 0 {
			return n, fmt.Errorf("no such server: %s; %s", c.node, text.Known(c.node, hosts))
		}
	}
	n = authority.Node{
		Name: hosts[at], Listen: ":" + ports[at], Data: c.store, Certificate: c.certificate, Key: c.key, Authority: c.authority,
	}
	port := fmt.Sprint(c.routes)
	for i, host := range hosts {
		if i != at {
			n.Routes, n.Others = ":"+port, append(n.Others, net.JoinHostPort(host, port))
		}
	}
	return n, nil
}
