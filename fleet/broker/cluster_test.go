package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/registry"
	"stackpolicy/fleet/streams"
	labhub "stackpolicy/lab/hub"
)

// TestACluster: three real servers with the configuration that the hub prints keep what a host
// sends when one of them is lost, and all refuse a host that is revoked.
func TestACluster(t *testing.T) {
	h := &hub{t: t, data: t.TempDir()}
	keys, err := authority.Make(h.data, "home")
	if err != nil {
		t.Fatal(err)
	}
	h.keys = keys
	servers, urls := cluster(t, h)
	h.pin = pinOf(t, filepath.Join(h.data, "cluster.pem"))
	options, err := link.FromCreds(authority.CredsPath(h.data))
	if err != nil {
		t.Fatal(err)
	}
	options.URLs, options.Pin = urls, h.pin
	if h.own, err = link.Stay(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	defer h.own.Close()
	if h.js, err = jetstream.New(h.own); err != nil {
		t.Fatal(err)
	}
	until(t, "the streams are made", func() error { return streams.Ensure(t.Context(), h.js, 3) })

	h.url = urls[1]
	web := h.enrolled(urls[1:])
	c, _ := h.connect(web)
	send := func() error {
		_, err := request(t, c, &nats.Msg{Subject: "evidence.home.web.alice", Data: []byte("x")})
		return err
	}
	until(t, "a host sends", send)
	servers[0].Shutdown()
	servers[0].WaitForShutdown()
	until(t, "a host sends after a server was lost", send)
	options.URLs = urls[1:]
	until(t, "both are kept", func() error {
		s, err := h.js.Stream(t.Context(), streams.Evidence)
		if err != nil {
			return err
		}
		if n := s.CachedInfo().State.Msgs; n < 2 {
			return fmt.Errorf("%d envelopes", n)
		}
		return nil
	})
	h.revoke(web)
	for _, url := range urls[1:] {
		until(t, "it is refused at "+url, func() error {
			web.link.URLs = []string{url}
			c, err := link.Connect(t.Context(), web.link)
			if err == nil {
				c.Close()
				return errors.New("it connects")
			}
			if !errors.Is(err, link.ErrRefused) {
				return err
			}
			return nil
		})
	}
}

// enrolled enrolls a host that reaches other servers than the hub's own parts.
func (h *hub) enrolled(urls []string) host {
	h.t.Helper()
	s := fleet.Source{Org: "home", Host: "web", User: "alice"}
	like := enroll.Token{URLs: urls, Pin: h.pin, Org: s.Org, Host: s.Host, Registry: h.keys.Registry.Public(), Archive: h.keys.Archive.Public()}
	token, err := enroll.NewToken(like, time.Now().Add(time.Minute), h.keys.Enrollee)
	if err != nil {
		h.t.Fatal(err)
	}
	ready, ids := make(chan struct{}), make(chan fleet.Identity, 1)
	d := enroll.Desk{
		Conn: h.own, Token: token, Key: h.keys.Registry, Registry: registry.Registry{JetStream: h.js, Org: s.Org, Key: h.keys.Registry.Public()}, Issue: h.keys.Host, IsRevoked: h.keys.IsRevoked,
		Confirm: func(context.Context, enroll.Request) (bool, error) { return true, nil },
		Tell:    func(line string) { h.t.Log(line) },
		Ready:   func() error { close(ready); return nil },
	}
	go func() {
		id, err := d.Await(h.t.Context())
		if err != nil {
			h.t.Error(err)
		}
		ids <- id
	}()
	<-ready
	j := enroll.Joining{StateHome: h.t.TempDir(), User: s.User, Tell: func(string) {}}
	var m enroll.Member
	until(h.t, "a host is enrolled", func() (err error) { // the other servers know the desk after a moment
		m, err = enroll.Join(h.t.Context(), token, j)
		return err
	})
	seed, err := os.ReadFile(enroll.NkeyPath(j.StateHome))
	if err != nil {
		h.t.Fatal(err)
	}
	return host{s, (<-ids).Connection, link.Options{URLs: urls, Pin: h.pin, JWT: m.JWT, Seed: bytes.TrimSpace(seed)}}
}

// until does something again until it succeeds.
func until(t testing.TB, what string, do func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// cluster starts three servers of the hub.
func cluster(t *testing.T, h *hub) (servers []*server.Server, urls []string) {
	t.Helper()
	certificate, key := labhub.Certificate(t, h.data, net.IPv4(127, 0, 0, 1))
	routes := make([]string, 3)
	for i := range routes {
		routes[i] = freeAddress(t)
	}
	for i := range routes {
		listen := freeAddress(t)
		text, err := h.keys.Config(authority.Node{
			Name: fmt.Sprintf("n%d", i), Listen: listen, Routes: routes[i], Others: routes, Data: filepath.Join(h.data, fmt.Sprintf("n%d", i)),
			Certificate: certificate, Key: key, Authority: certificate,
		})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(h.data, fmt.Sprintf("n%d.conf", i))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		options, err := server.ProcessConfigFile(path)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !options.SyncAlways {
			t.Error("it does not sync always")
		}
		options.NoLog, options.NoSigs = true, true
		s, err := server.NewServer(options)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers, urls = append(servers, s), append(urls, "tls://"+listen)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("a server does not start")
		}
	}
	return servers, urls
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func pinOf(t *testing.T, path string) string {
	t.Helper()
	pin, err := link.PinOfFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return pin
}
