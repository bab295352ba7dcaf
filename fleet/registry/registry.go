// Package registry has the identities of a fleet: which key signs for which source. Each is the
// last message of its own subject in the stream FLEET, signed by the registry's key.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/streams"
)

// Registry reads the identities of one organisation. Key is that by which they are signed: what
// another key signed is an error.
type Registry struct {
	JetStream jetstream.JetStream
	Org       string
	Key       fleet.PublicKey
}

// listTime bounds reading all identities.
const listTime = 30 * time.Second

// ErrNotEnrolled means that a source was never enrolled.
var ErrNotEnrolled = errors.New("it is not enrolled")

// Find returns the identity of a source, also of one that is revoked. The error is
// [ErrNotEnrolled] if there is none.
func (r Registry) Find(ctx context.Context, s fleet.Source) (id fleet.Identity, err error) {
	subject, err := fleet.StatementSubject(fleet.IdentityKind, s)
	if err != nil {
		return id, err
	}
	stream, err := r.JetStream.Stream(ctx, streams.Fleet)
	if err != nil {
		return id, fmt.Errorf("read identities: %w", err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return id, fmt.Errorf("%s: %w", subject, ErrNotEnrolled)
	}
	if err != nil {
		return id, fmt.Errorf("read %s: %w", subject, err)
	}
	return r.open(subject, m.Data)
}

// Put signs an identity and publishes it. It is on the broker's disk then.
func (r Registry) Put(ctx context.Context, key fleet.Key, id fleet.Identity) error {
	subject, err := fleet.StatementSubject(fleet.IdentityKind, id.Source)
	if err != nil {
		return err
	}
	signed, err := key.Sign(fleet.IdentityKind, id.Source, id)
	if err != nil {
		return err
	}
	if _, err := r.JetStream.Publish(ctx, subject, signed); err != nil {
		return fmt.Errorf("publish %s: %w", subject, err)
	}
	return nil
}

// List returns all identities by host and user. Those that cannot be read are in the error,
// beside the others.
func (r Registry) List(ctx context.Context) (all []fleet.Identity, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	consumer, err := r.JetStream.OrderedConsumer(ctx, streams.Fleet, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{r.all()}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	info, err := consumer.Info(ctx)
	if err != nil || info.NumPending == 0 {
		return nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	defer messages.Stop()
	var unread []error
	for range info.NumPending {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("read identities: %w", err)
		}
		id, err := r.open(m.Subject(), m.Data())
		if err != nil {
			unread = append(unread, err)
			continue
		}
		all = append(all, id)
	}
	slices.SortFunc(all, func(a, b fleet.Identity) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.User, b.User))
	})
	return all, errors.Join(unread...)
}

// all is the subject of every identity of the organisation.
func (r Registry) all() string {
	subject, err := fleet.StatementSubject(fleet.IdentityKind, fleet.Source{Org: r.Org, Host: "h", User: "u"})
	if err != nil {
		return "identity.none"
	}
	return strings.TrimSuffix(subject, ".h.u") + ".*.*"
}

// open reads an identity that came by a subject.
func (r Registry) open(subject string, data []byte) (id fleet.Identity, err error) {
	s, err := fleet.ParseStatementSubject(fleet.IdentityKind, subject)
	if err != nil {
		return id, err
	}
	if err := fleet.OpenStatement(fleet.IdentityKind, s, data, r.Key, &id); err != nil {
		return fleet.Identity{}, err
	}
	if id.Source != s {
		return fleet.Identity{}, fmt.Errorf("%s is about another source", subject)
	}
	return id, nil
}
