package broker_test

import (
	"context"
	"crypto/x509"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/broker"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/streams"
)

// hub is a real one: keys, broker and streams.
type hub struct {
	t       *testing.T
	data    string
	keys    *authority.Authority
	broker  *broker.Broker
	options broker.Options
	url     string
	pin     string
	own     *nats.Conn // the hub's own parts
	js      jetstream.JetStream
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, data: t.TempDir()}
	keys, err := authority.Make(h.data, "home")
	if err != nil {
		t.Fatal(err)
	}
	h.keys = keys
	certificate, err := broker.OwnCertificate(h.data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	h.pin = link.PinOf(leaf)
	h.options = broker.Options{
		Data: h.data, Listen: "127.0.0.1:0", Operator: keys.Operator, Certificate: certificate,
		Accounts: map[string]string{keys.System.ID: keys.System.JWT, keys.Fleet.ID: keys.Fleet.JWT, keys.Hosts.ID: keys.Hosts.JWT},
	}
	h.start()
	t.Cleanup(func() { h.broker.Stop() })
	if err := streams.Ensure(t.Context(), h.js, 1); err != nil {
		t.Fatal(err)
	}
	return h
}

// start starts the broker and connects the hub's own parts.
func (h *hub) start() {
	h.t.Helper()
	b, err := broker.Start(h.t.Context(), h.options)
	if err != nil {
		h.t.Fatal(err)
	}
	h.broker, h.url = b, "tls://"+b.Address()
	creds, err := os.ReadFile(authority.CredsPath(h.data))
	if err != nil {
		h.t.Fatal(err)
	}
	jwt, err := nkeys.ParseDecoratedJWT(creds)
	if err != nil {
		h.t.Fatal(err)
	}
	pair, err := nkeys.ParseDecoratedNKey(creds)
	if err != nil {
		h.t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		h.t.Fatal(err)
	}
	if h.own, err = link.Connect(h.t.Context(), link.Options{URLs: []string{h.url}, Pin: h.pin, JWT: jwt, Seed: seed}); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(h.own.Close)
	if h.js, err = jetstream.New(h.own); err != nil {
		h.t.Fatal(err)
	}
}

// host is a source with the right to connect.
type host struct {
	source fleet.Source
	nkey   string
	link   link.Options
}

func (h *hub) host(name string) host {
	h.t.Helper()
	s := fleet.Source{Org: "home", Host: name, User: "alice"}
	pair, err := nkeys.CreateUser()
	if err != nil {
		h.t.Fatal(err)
	}
	nkey, err1 := pair.PublicKey()
	seed, err2 := pair.Seed()
	jwt, err3 := h.keys.Host(s, nkey)
	if err1 != nil || err2 != nil || err3 != nil {
		h.t.Fatal(err1, err2, err3)
	}
	return host{s, nkey, link.Options{URLs: []string{h.url}, Pin: h.pin, JWT: jwt, Seed: seed}}
}

// connect connects a host, and returns what the broker refuses of it.
func (h *hub) connect(x host) (*nats.Conn, <-chan error) {
	h.t.Helper()
	c, err := link.Connect(h.t.Context(), x.link)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	refused := make(chan error, 100)
	c.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
	return c, refused
}

// request asks with a time limit.
func request(t *testing.T, c *nats.Conn, m *nats.Msg) (*nats.Msg, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return c.RequestMsgWithContext(ctx, m)
}

// count returns how many messages a stream has by a subject.
func (h *hub) count(stream, subject string) uint64 {
	h.t.Helper()
	s, err := h.js.Stream(h.t.Context(), stream)
	if err != nil {
		h.t.Fatal(err)
	}
	info, err := s.Info(h.t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		h.t.Fatal(err)
	}
	var n uint64
	for _, of := range info.State.Subjects {
		n += of
	}
	return n
}
