package enroll_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/broker"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/registry"
	"stackpolicy/fleet/streams"
)

// hub is a real one.
type hub struct {
	keys     *authority.Authority
	url, pin string
	own      *nats.Conn
	registry registry.Registry
}

func newHub(t *testing.T) *hub {
	t.Helper()
	data := t.TempDir()
	keys, err := authority.Make(data, "home")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := broker.OwnCertificate(data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(t.Context(), broker.Options{Data: data, Listen: "127.0.0.1:0", Operator: keys.Operator, Accounts: keys.Accounts(), Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	h := &hub{keys: keys, url: "tls://" + b.Address(), pin: link.PinOf(leaf)}
	options, err := link.FromCreds(authority.CredsPath(data))
	if err != nil {
		t.Fatal(err)
	}
	options.URLs, options.Pin = []string{h.url}, h.pin
	if h.own, err = link.Connect(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.own.Close)
	js, err := jetstream.New(h.own)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Ensure(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	h.registry = registry.Registry{JetStream: js, Org: "home", Key: keys.Registry.Public()}
	return h
}

// desk returns one with a new token for a host.
func (h *hub) desk(t *testing.T, host string, valid time.Duration) enroll.Desk {
	t.Helper()
	token, err := enroll.NewToken(enroll.Token{URLs: []string{h.url}, Pin: h.pin, Org: "home", Host: host, Registry: h.keys.Registry.Public(), Archive: h.keys.Archive.Public()},
		time.Now().Add(valid), h.keys.Enrollee)
	if err != nil {
		t.Fatal(err)
	}
	return enroll.Desk{Conn: h.own, Token: token, Key: h.keys.Registry, Registry: h.registry, Issue: h.keys.Host, IsRevoked: h.keys.IsRevoked}
}
