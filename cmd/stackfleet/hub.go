package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/broker"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/registry"
	"stackpolicy/fleet/streams"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

// settings are the content of server.json: what the verbs of a hub need to know of its broker.
type settings struct {
	Listen      string   `json:"listen,omitempty"`      // HOST:PORT
	Public      []string `json:"public,omitempty"`      // HOST:PORT by which hosts reach it; empty: those of this machine
	Certificate string   `json:"certificate,omitempty"` // the operator's own; "" is one that the hub made
	Key         string   `json:"key,omitempty"`
	Servers     []string `json:"servers,omitempty"` // HOST:PORT of a cluster, instead of a broker inside
	Pin         string   `json:"pin,omitempty"`     // of the cluster's certificate; "" wants one that the system trusts
}

// hub is a hub's folder: its keys and where its broker is.
type hub struct {
	data     string
	keys     *authority.Authority
	settings settings
}

func settingsPath(data string) string { return filepath.Join(data, "server.json") }

// open opens the hub's folder. It is an error if there is no hub in it.
func (a *app) open() (*hub, error) {
	data, err := a.folder()
	if err != nil {
		return nil, err
	}
	keys, err := authority.Open(data)
	if errors.Is(err, fs.ErrNotExist) && !exists(authority.Folder(data)) {
		return nil, fmt.Errorf("there is no hub in %s: start one with `stackfleet serve`, or name its folder with --data", data)
	}
	if err != nil {
		return nil, err
	}
	h := &hub{data: data, keys: keys}
	h.settings, err = readSettings(data)
	return h, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// openOrMake opens the hub's folder, and makes a hub of an organisation if there is none. An
// organisation that is not "" must be the hub's.
func (a *app) openOrMake(org string) (*hub, error) {
	data, err := a.folder()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make the hub's folder: %w", err)
	}
	if !exists(authority.Folder(data)) {
		name := org
		if name == "" {
			name = defaultOrg
		}
		if _, err := authority.Make(data, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	h, err := a.open()
	if err == nil && org != "" && org != h.keys.Org {
		return nil, fmt.Errorf("the hub in %s is of the organisation %s, which cannot be changed: name another folder with --data", data, h.keys.Org)
	}
	return h, err
}

// defaultOrg is the organisation of a hub that was given none.
const defaultOrg = "home"

func readSettings(data string) (s settings, err error) {
	text, err := regularfile.Read(settingsPath(data), 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return settings{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return settings{}, fmt.Errorf("read %s: %w", settingsPath(data), err)
	}
	return s, nil
}

func (h *hub) save() error {
	err := atomicfile.Write(settingsPath(h.data), 0o600, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(h.settings)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", settingsPath(h.data), err)
	}
	return nil
}

// hasCluster reports whether the broker is the operator's own cluster.
func (h *hub) hasCluster() bool { return len(h.settings.Servers) > 0 }

// certificate returns that of the broker inside.
func (h *hub) certificate() (tls.Certificate, error) {
	if h.settings.Certificate != "" {
		return broker.ReadCertificate(h.settings.Certificate, h.settings.Key)
	}
	return broker.OwnCertificate(h.data, time.Now())
}

// pin returns how the hub's own parts and, unless the operator has a certificate, hosts know the
// broker.
func (h *hub) pin() (own, hosts string, err error) {
	if h.hasCluster() {
		return h.settings.Pin, h.settings.Pin, nil
	}
	c, err := h.certificate()
	if err != nil {
		return "", "", err
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return "", "", fmt.Errorf("read the hub's certificate: %w", err)
	}
	if own = link.PinOf(leaf); h.settings.Certificate == "" {
		hosts = own
	}
	return own, hosts, nil
}

// urls are where the hub's own parts reach the broker.
func (h *hub) urls() ([]string, error) {
	if h.hasCluster() {
		return withScheme(h.settings.Servers), nil
	}
	host, port, err := net.SplitHostPort(h.settings.Listen)
	if err != nil {
		return nil, fmt.Errorf("the hub in %s was never started: stackfleet serve", h.data)
	}
	if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
		host = "localhost"
	}
	return withScheme([]string{net.JoinHostPort(host, port)}), nil
}

// publicURLs are where hosts reach the broker.
func (h *hub) publicURLs() ([]string, error) {
	switch {
	case h.hasCluster():
		return withScheme(h.settings.Servers), nil
	case len(h.settings.Public) > 0:
		return withScheme(h.settings.Public), nil
	}
	host, port, err := net.SplitHostPort(h.settings.Listen)
	if err != nil {
		return nil, fmt.Errorf("the hub in %s was never started: stackfleet serve", h.data)
	}
	if address, err := netip.ParseAddr(host); host != "" && (err != nil || !address.IsUnspecified()) {
		return withScheme([]string{h.settings.Listen}), nil
	}
	return withScheme(ofThisMachine(port)), nil
}

// maxAddresses bounds those of this machine that a token has.
const maxAddresses = 6

// ofThisMachine returns the addresses at which other machines may reach a port of this one: its
// name, and its addresses. Which of them a host reaches, it finds out itself.
func ofThisMachine(port string) (found []string) {
	if name, err := os.Hostname(); err == nil {
		found = append(found, net.JoinHostPort(name, port))
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return found
	}
	for _, a := range addresses {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().IsGlobalUnicast() && len(found) < maxAddresses {
			found = append(found, net.JoinHostPort(p.Addr().String(), port))
		}
	}
	return found
}

func withScheme(addresses []string) []string {
	urls := slices.Clone(addresses)
	for i := range urls {
		urls[i] = "tls://" + urls[i]
	}
	return urls
}

// options are how the hub's own parts connect: all of the account FLEET.
func (h *hub) options() (link.Options, error) {
	o, err := link.FromCreds(authority.CredsPath(h.data))
	if err != nil {
		return o, err
	}
	if o.URLs, err = h.urls(); err != nil {
		return o, err
	}
	o.Pin, _, err = h.pin()
	return o, err
}

// reach opens the hub's folder and connects to its broker. The caller closes the connection.
func (a *app) reach(ctx context.Context) (*hub, *nats.Conn, jetstream.JetStream, error) {
	h, err := a.open()
	if err != nil {
		return nil, nil, nil, err
	}
	c, js, err := h.connect(ctx)
	return h, c, js, err
}

// connect connects the hub's own parts, for as long as the program runs. The caller closes it.
func (h *hub) connect(ctx context.Context) (*nats.Conn, jetstream.JetStream, error) {
	o, err := h.options()
	if err != nil {
		return nil, nil, err
	}
	c, err := link.Stay(ctx, o)
	if err != nil {
		ask := "does `stackfleet serve` run?"
		if h.hasCluster() {
			ask = "do the servers of the cluster run?"
		}
		return nil, nil, fmt.Errorf("%w; %s", err, ask)
	}
	js, err := jetstream.New(c)
	if err == nil {
		err = streams.Ensure(ctx, js, h.replicas())
	}
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, js, nil
}

// replicas is how many servers keep what is sent.
func (h *hub) replicas() int {
	if len(h.settings.Servers) >= 3 {
		return 3
	}
	return 1
}

func (h *hub) registry(js jetstream.JetStream) registry.Registry {
	return registry.Registry{JetStream: js, Org: h.keys.Org, Key: h.keys.Registry.Public()}
}
