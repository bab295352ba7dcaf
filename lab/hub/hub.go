// Package hub runs the hub of a fleet in a process of a test: its keys, its broker with TLS and
// streams on disk, its archive, and hosts that are members.
//
// Start at [New].
package hub

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/broker"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/ingest"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/registry"
	"stackpolicy/fleet/spool"
	"stackpolicy/fleet/streams"
	"stackpolicy/history"
)

// Org is the organisation of the hub.
const Org = "home"

// Hub is a hub in a temporary folder. Its parts are started and stopped one by one.
type Hub struct {
	T    testing.TB
	Data string
	Keys *authority.Authority
	URL  string // of the broker
	Pin  string // of its certificate

	options broker.Options
	broker  *broker.Broker
	stop    func() // the archiver
}

// New makes a hub and starts its broker, which stops with the test.
func New(t testing.TB) *Hub {
	t.Helper()
	h := &Hub{T: t, Data: t.TempDir()}
	keys, err1 := authority.Make(h.Data, Org)
	certificate, err2 := broker.OwnCertificate(h.Data, time.Now())
	h.must(errors.Join(err1, err2))
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	h.must(err)
	h.Keys, h.Pin = keys, link.PinOf(leaf)
	h.options = broker.Options{
		Data: h.Data, Listen: "127.0.0.1:0", Operator: keys.Operator, Certificate: certificate,
		Accounts: keys.Accounts(),
	}
	h.StartBroker()
	t.Cleanup(func() { h.StopArchiver(); h.StopBroker() })
	return h
}

func (h *Hub) must(err error) {
	h.T.Helper()
	if err != nil {
		h.T.Fatal(err)
	}
}

// StartBroker starts the broker if it does not run, at the address that it had.
func (h *Hub) StartBroker() {
	h.T.Helper()
	if h.broker != nil {
		return
	}
	b, err := broker.Start(context.WithoutCancel(h.T.Context()), h.options)
	h.must(err)
	h.broker, h.URL, h.options.Listen = b, "tls://"+b.Address(), b.Address()
	c := h.Own()
	defer c.Close()
	js, err := jetstream.New(c)
	h.must(err)
	h.must(streams.Ensure(context.WithoutCancel(h.T.Context()), js, 1))
}

// StopBroker stops it.
func (h *Hub) StopBroker() {
	if h.broker != nil {
		h.broker.Stop()
		h.broker = nil
	}
}

// Own connects as the hub's own parts do. The caller closes the connection.
func (h *Hub) Own() *nats.Conn {
	h.T.Helper()
	o, err := link.FromCreds(authority.CredsPath(h.Data))
	h.must(err)
	o.URLs, o.Pin = []string{h.URL}, h.Pin
	c, err := link.Stay(context.WithoutCancel(h.T.Context()), o)
	h.must(err)
	return c
}

// ArchiveKeys are the keys of the hub's archive.
func (h *Hub) ArchiveKeys() archive.Keys {
	return archive.Keys{Watermarks: h.Keys.Archive, Registry: h.Keys.Registry.Public()}
}

// StartArchiver starts the archiver. What it logs is in the test's log.
func (h *Hub) StartArchiver() {
	h.T.Helper()
	h.StartBroker()
	a, err := archive.Open(h.T.Context(), h.Data, h.ArchiveKeys(), time.Now())
	h.must(err)
	conn := h.Own()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.T.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		log := func(line string) { h.T.Log("archiver: " + line) }
		if err := ingest.Run(ctx, ingest.Options{Archive: a, Conn: conn, Replicas: 1, Log: log, Now: time.Now}); err != nil {
			h.T.Error(err)
		}
	})
	h.stop = func() {
		cancel()
		done.Wait()
		conn.Close()
		if err := a.Close(); err != nil {
			h.T.Error(err)
		}
	}
}

// StopArchiver stops it.
func (h *Hub) StopArchiver() {
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

// Host is a member with a memory in a temporary folder.
type Host struct {
	courier.Options
	Link link.Options
	hub  *Hub
}

// Enroll makes a host and its identity.
func (h *Hub) Enroll(name, user string, now time.Time) *Host {
	h.T.Helper()
	source := fleet.Source{Org: Org, Host: name, User: user}
	key, err1 := fleet.NewKey()
	pair, err2 := nkeys.CreateUser()
	h.must(errors.Join(err1, err2))
	nkey, err1 := pair.PublicKey()
	seed, err2 := pair.Seed()
	h.must(errors.Join(err1, err2))
	jwt, err := h.Keys.Host(source, nkey)
	h.must(err)
	c := h.Own()
	defer c.Close()
	js, err := jetstream.New(c)
	h.must(err)
	r := registry.Registry{JetStream: js, Org: Org, Key: h.Keys.Registry.Public()}
	h.must(r.Put(h.T.Context(), h.Keys.Registry, fleet.Identity{Source: source, Key: key.Public(), Connection: nkey, Enrolled: now}))
	x := &Host{hub: h, Link: link.Options{URLs: []string{h.URL}, Pin: h.Pin, JWT: jwt, Seed: seed, Name: name}}
	home := h.T.TempDir()
	store, err := history.Open(h.T.Context(), home, now)
	h.must(err)
	h.T.Cleanup(func() { _ = store.Close() })
	x.Options = courier.Options{
		Host: spool.Host{Source: source, Key: key, Store: store, Boot: "boot", Program: "1"}, StateHome: home,
		Archive: h.Keys.Archive.Public(), Now: func() time.Time { return now }, Pause: time.Millisecond,
		Dial: func(ctx context.Context) (courier.Hub, error) {
			x.Link.URLs = []string{h.URL}
			c, err := link.Connect(ctx, x.Link)
			if err != nil {
				return nil, err
			}
			return courier.Over(c), nil
		},
	}
	return x
}

// Await waits until the archive has all that hosts sent, and says what it has not.
func (h *Hub) Await(limit time.Duration, hosts ...*Host) error {
	a := archive.OpenReadOnly(h.Data, h.Keys.Registry.Public())
	defer a.Close()
	c := h.Own()
	defer c.Close()
	js, err := jetstream.New(c)
	h.must(err)
	end := time.Now().Add(limit)
	for {
		waiting := h.waiting(js) // first: what is not there any more is in the archive
		behind, err := h.behind(a, hosts)
		behind = waiting + behind
		if behind == "" && err == nil {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("after %s: %s", limit, behind), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// waiting says what is at the broker.
func (h *Hub) waiting(js jetstream.JetStream) string {
	s, err := js.Stream(context.WithoutCancel(h.T.Context()), streams.Evidence)
	if err != nil {
		return err.Error() + "; "
	}
	if n := s.CachedInfo().State.Msgs; n > 0 {
		return fmt.Sprintf("%d envelopes at the broker; ", n)
	}
	return ""
}

func (h *Hub) behind(a *archive.Archive, hosts []*Host) (string, error) {
	all, err := a.Sources(context.WithoutCancel(h.T.Context()))
	if err != nil {
		return "", err
	}
	known := map[fleet.Source]string{}
	for _, s := range all {
		if s.Newest == 0 || s.Applied < s.Newest || len(s.Missing) > 0 {
			known[s.Source] = fmt.Sprintf("%s: newest %d, applied %d, missing %v, fork %q; ", s.Host, s.Newest, s.Applied, s.Missing, s.Fork)
		} else {
			known[s.Source] = ""
		}
	}
	text := ""
	for _, x := range hosts {
		line, has := known[x.Source]
		if !has {
			line = x.Source.Host + ": unknown; "
		}
		text += line
	}
	return text, nil
}

// Audit records an audit of a host with findings of these cases, and the facts that a state names.
func (x *Host) Audit(at time.Time, state string, cases ...string) {
	x.hub.T.Helper()
	x.Now = func() time.Time { return at }
	doc := &facts.Document{Schema: "stackpolicy.facts/v1", Units: []facts.Unit{{Name: "web.service"}, {Name: state + ".service"}}}
	a := history.Audit{At: at, Mode: "observe", PolicyDigest: "sha256:p", Document: doc}
	for _, c := range cases {
		a.ExitCode = 2
		a.Findings = append(a.Findings, finding.Finding{
			Invariant: "stack_running", Subject: "web.service", Effect: finding.Block, Severity: finding.Page,
			Message: c, Evidence: map[string]any{"case": c},
		})
	}
	_, err := x.Store.Record(context.WithoutCancel(x.hub.T.Context()), a)
	x.hub.must(err)
}

// Remembered is all that can be read of a history.
type Remembered struct {
	Audits    []history.AuditSpan
	Findings  []history.Occurrence
	Documents map[string]*facts.Document
}

// Read reads a history.
func (h *Hub) Read(s *history.Store) (r Remembered) {
	h.T.Helper()
	ctx := context.WithoutCancel(h.T.Context())
	var err1, err2 error
	r.Audits, err1 = s.Audits(ctx, time.Time{}, 1_000_000)
	r.Findings, err2 = s.Occurrences(ctx, time.Time{}, 1_000_000)
	h.must(errors.Join(err1, err2))
	r.Documents = map[string]*facts.Document{}
	for _, a := range r.Audits {
		doc, err := s.Document(ctx, a.DocumentDigest, a.To)
		h.must(err)
		r.Documents[a.DocumentDigest] = doc
	}
	return r
}

// Memory reads the memory of a host at the hub.
func (h *Hub) Memory(x *Host) Remembered {
	h.T.Helper()
	a := archive.OpenReadOnly(h.Data, h.Keys.Registry.Public())
	defer a.Close()
	all, err := a.Memories(context.WithoutCancel(h.T.Context()))
	h.must(err)
	for _, m := range all {
		if m.Source == x.Source {
			store, err := history.OpenReadOnly(context.WithoutCancel(h.T.Context()), m.Home)
			h.must(err)
			defer store.Close()
			return h.Read(store)
		}
	}
	h.T.Fatalf("%s has no memory at the hub", x.Source.Host)
	return Remembered{}
}
