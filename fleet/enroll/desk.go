package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"stackpolicy/fleet"
	"stackpolicy/fleet/registry"
)

// Desk enrolls the host that has a token. Conn is of the hub's own parts.
type Desk struct {
	Conn        *nats.Conn
	Token       Token
	Key         fleet.Key // of the registry
	ReleaseRoot []byte    // root.json of TUF; nil is none
	Registry    registry.Registry
	Issue       func(s fleet.Source, nkey string) (jwt string, err error)
	IsRevoked   func(nkey string) (bool, error)                    // whether the broker refuses a connection
	Confirm     func(ctx context.Context, r Request) (bool, error) // asks the operator
	Tell        func(line string)                                  // the operator
	Ready       func() error                                       // called when the token can be used; nil is nothing
}

// ErrNotConfirmed means that the operator did not confirm the host.
var ErrNotConfirmed = errors.New("it is not confirmed, so it is not enrolled")

// maxTold bounds what the operator is told about others that have the token.
const maxTold = 10

// lastAnswers is how long a host is told that it is refused, before the token ends.
const lastAnswers = 10 * time.Second

// desk is one enrolment that runs.
type desk struct {
	Desk
	decided chan decision
	first   *Request // the host that asked first; the token is its
	source  fleet.Source
	last    *answer // what it is told from now on
	err     error   // why it was refused
	told    int
}

// warn tells the operator about somebody who has the token and should not.
func (d *desk) warn(line string) {
	if d.told++; d.told <= maxTold {
		d.Tell(line)
	}
}

// decision is what the operator decided, or why it was not possible.
type decision struct {
	answer answer
	err    error
}

// Await answers the requests of a token until the host has its answer on its disk, and returns
// the identity that was published. The token works for one key: another host that has it is
// refused, and the operator is told.
func (d Desk) Await(ctx context.Context) (fleet.Identity, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, d.Token.Expires, fmt.Errorf("no host used the token until %s: make a new one", d.Token.Expires.Local().Format("15:04")))
	defer cancel()
	messages := make(chan *nats.Msg, 64)
	sub, err := d.Conn.ChanSubscribe("enroll."+d.Token.ID, messages)
	if err != nil {
		return fleet.Identity{}, fmt.Errorf("wait for the host: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends
	if err := d.Conn.FlushWithContext(ctx); err != nil {
		return fleet.Identity{}, fmt.Errorf("wait for the host: %w", err)
	}
	if d.Ready != nil {
		if err := d.Ready(); err != nil {
			return fleet.Identity{}, err
		}
	}
	return (&desk{Desk: d, decided: make(chan decision, 1)}).serve(ctx, messages)
}

func (d *desk) serve(ctx context.Context, messages <-chan *nats.Msg) (fleet.Identity, error) {
	var end <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return fleet.Identity{}, errors.Join(context.Cause(ctx), d.err)
		case <-end:
			return fleet.Identity{}, d.err
		case got := <-d.decided:
			if d.last, d.err = &got.answer, got.err; d.err != nil {
				end = time.After(lastAnswers)
			}
		case m := <-messages:
			if isLast, id := d.receive(ctx, m); isLast {
				return id, d.err
			}
		}
	}
}

// receive answers one request. It is the last one if the host says that it has the answer, or
// was told that it is refused.
func (d *desk) receive(ctx context.Context, m *nats.Msg) (isLast bool, id fleet.Identity) {
	r, s, err := openRequest(m.Data, d.Token.Org, d.Token.Host)
	if err != nil {
		d.warn("what is no request was ignored: " + err.Error())
		d.answer(m, answer{Refused: err.Error()})
		return false, id
	}
	if why := d.claim(r); why != "" {
		d.answer(m, answer{Refused: why})
		return false, id
	}
	if d.source.Host == "" {
		d.source = s
		go d.decide(ctx, r, s)
	}
	if d.last == nil {
		d.answer(m, answer{Waits: true})
		return false, id
	}
	d.answer(m, *d.last)
	if d.err != nil || !r.Done {
		return d.err != nil, id
	}
	var got membership
	_ = fleet.OpenStatement(answerKind, d.source, d.last.Signed, d.Key.Public(), &got) // this signed it
	return true, got.Identity
}

// claim gives the token to the first key that asks, and says why not if that is another one.
func (d *desk) claim(r Request) (why string) {
	if d.Token.User != "" && r.User != d.Token.User {
		return fmt.Sprintf("the token is for the account %s", d.Token.User)
	}
	if d.first == nil {
		d.first = &r
		return ""
	}
	if equal(r.Key, d.first.Key) && r.Connection == d.first.Connection && r.User == d.first.User {
		return ""
	}
	d.warn(fmt.Sprintf("a second host has this token and is refused: %q, key %s; if you did not expect it, do not confirm the first one either", r.Hostname, r.Key.Fingerprint()))
	return "the token was used by another host or account already: make a new one with: stackfleet enroll " + d.Token.Host
}

// decide asks the operator, and enrolls the host.
func (d *desk) decide(ctx context.Context, r Request, s fleet.Source) {
	a, err := d.enroll(ctx, r, s)
	if err != nil {
		a = answer{Refused: err.Error()}
	}
	d.decided <- decision{a, err}
}

func (d *Desk) enroll(ctx context.Context, r Request, s fleet.Source) (answer, error) {
	if err := d.mayEnroll(ctx, r, s); err != nil {
		return answer{}, err
	}
	yes, err := d.Confirm(ctx, r)
	if err != nil {
		return answer{}, err
	}
	if !yes {
		return answer{}, ErrNotConfirmed
	}
	token, err := d.Issue(s, r.Connection)
	if err != nil {
		return answer{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	id := fleet.Identity{Source: s, Key: r.Key, Connection: r.Connection, Enrolled: now}
	if err := d.Registry.Put(ctx, d.Key, id); err != nil {
		return answer{}, err
	}
	m := Member{
		Source: s, URLs: d.Token.URLs, Pin: d.Token.Pin, JWT: token, ArchiveKey: d.Token.Archive, RegistryKey: d.Key.Public(),
		ReleaseRoot: d.ReleaseRoot, Enrolled: now,
	}
	signed, err := d.Key.Sign(answerKind, s, membership{m, id})
	return answer{Signed: signed}, err
}

// mayEnroll refuses a source that other keys are enrolled for, and a key that was revoked. A
// connection that nobody knows of any more could not be ended.
func (d *Desk) mayEnroll(ctx context.Context, r Request, s fleet.Source) error {
	old, err := d.Registry.Find(ctx, s)
	if errors.Is(err, registry.ErrNotEnrolled) {
		return nil
	}
	if err != nil {
		return err
	}
	isSame := equal(old.Key, r.Key)
	revoke := fmt.Sprintf("stackfleet revoke %s --user %s", s.Host, s.User)
	switch {
	case old.Revoked == nil && !isSame:
		return fmt.Errorf("%s at the host %s is enrolled since %s with another key, %s: if that machine was set up again, first: %s",
			s.User, s.Host, old.Enrolled.Format(time.DateOnly), old.Key.Fingerprint(), revoke)
	case old.Revoked == nil && old.Connection != r.Connection:
		return fmt.Errorf("%s at the host %s is enrolled with another key of its connection: first: %s; then, at the host, give --new-key", s.User, s.Host, revoke)
	case old.Revoked != nil && isSame:
		return fmt.Errorf("the key %s was revoked: at the host, give --new-key to stackpolicy enroll", r.Key.Fingerprint())
	case old.Revoked != nil:
		isRefused, err := d.IsRevoked(old.Connection)
		if err == nil && !isRefused {
			err = fmt.Errorf("%s at the host %s was revoked, but can still connect: first, with the operator's key: %s", s.User, s.Host, revoke)
		}
		return err
	}
	return nil
}

func (d *desk) answer(m *nats.Msg, a answer) {
	data, err := json.Marshal(a)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil {
		d.Tell("answer the host: " + err.Error())
	}
}
