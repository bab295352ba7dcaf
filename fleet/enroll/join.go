package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
	"stackpolicy/fleet/link"
)

// Joining is who wants to be enrolled.
type Joining struct {
	StateHome string // $XDG_STATE_HOME
	User      string // the account that runs this
	Hostname  string
	Program   string // version of stackpolicy
	Boot      string
	Tell      func(line string) // to the person who waits
}

// Pauses of asking: short at first, for a hub that confirms by a script.
const (
	askSoon  = 50 * time.Millisecond
	askAgain = time.Second
	askTime  = 5 * time.Second // one request
)

// Join asks the hub that the token names to enroll an account, waits until the operator has
// confirmed it, and writes fleet.json. It makes the account's keys first, or uses those that
// there are: one that was killed can be run again with the same token. If the account is enrolled
// by this token's hub already it returns that.
func Join(ctx context.Context, t Token, j Joining) (Member, error) {
	if t.User != "" && t.User != j.User {
		return Member{}, fmt.Errorf("the token is for the account %s, and this is %s: run it as %s", t.User, j.User, t.User)
	}
	c, err := j.candidate(t)
	if err != nil {
		return Member{}, err
	}
	old, err := ReadMember(j.StateHome)
	isMember := err == nil
	if isMember && (old.Source != c.source || !equal(old.RegistryKey, t.Registry)) {
		return Member{}, fmt.Errorf("this account is enrolled already, as %s at the host %s of %s: give --new-key to leave that fleet", old.User, old.Host, old.Org)
	}
	if !isMember && !errors.Is(err, fs.ErrNotExist) {
		return Member{}, err
	}
	if c.conn, err = dial(ctx, t); err != nil {
		if isMember && errors.Is(err, link.ErrRefused) { // the token did its work
			return old, nil
		}
		return Member{}, err
	}
	defer c.conn.Close()
	m, err := c.join(ctx, j)
	if isMember && errors.Is(err, errNobody) {
		return old, nil
	}
	return m, err
}

// errNobody means that the hub does not wait for a host with this token.
var errNobody = errors.New("nobody waits for this token")

// candidate is an account with its keys.
type candidate struct {
	token   Token
	source  fleet.Source
	key     fleet.Key
	request Request
	conn    *nats.Conn
}

func (j Joining) candidate(t Token) (*candidate, error) {
	key, err := Key(j.StateHome)
	if err != nil {
		return nil, err
	}
	pair, err := makeNkey(NkeyPath(j.StateHome))
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read the key of the connection: %w", err)
	}
	c := &candidate{token: t, key: key, source: fleet.Source{Org: t.Org, Host: t.Host, User: j.User}}
	c.request = Request{User: j.User, Key: key.Public(), Connection: public, Hostname: j.Hostname, Program: j.Program, Boot: j.Boot}
	return c, nil
}

// dial connects with the token's right to ask.
func dial(ctx context.Context, t Token) (*nats.Conn, error) {
	c, err := link.Connect(ctx, link.Options{URLs: t.URLs, Pin: t.Pin, JWT: t.JWT, Seed: []byte(t.Seed), Name: "enrolment of " + t.Host})
	switch {
	case errors.Is(err, link.ErrPin):
		return nil, fmt.Errorf("what answers there is not the hub that made the token: do not go on before you know what it is; if the hub has a new certificate, make a new token: %w", err)
	case errors.Is(err, link.ErrRefused):
		return nil, fmt.Errorf("the hub does not take the token (it holds until %s): make a new one with: stackfleet enroll %s: %w", t.Expires.Local().Format("2006-01-02 15:04"), t.Host, err)
	}
	return c, err
}

func (c *candidate) join(ctx context.Context, j Joining) (Member, error) {
	j.Tell("the key of this account is " + c.request.Key.Fingerprint())
	told := false
	for pause := askSoon; ; pause = min(2*pause, askAgain) {
		a, err := c.ask(ctx)
		if err != nil {
			return Member{}, err
		}
		switch {
		case a.Refused != "":
			return Member{}, fmt.Errorf("the hub refuses: %.500s", a.Refused)
		case a.Signed != nil:
			return c.finish(ctx, j, a.Signed)
		}
		if !told {
			j.Tell("waiting until the operator has confirmed it at the hub")
			told = true
		}
		select {
		case <-ctx.Done():
			return Member{}, fmt.Errorf("wait for the operator: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}

// ask sends the request, and returns the hub's answer.
func (c *candidate) ask(ctx context.Context) (a answer, err error) {
	data, err := c.request.seal(c.key, c.source)
	if err != nil {
		return a, err
	}
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	m, err := c.conn.RequestWithContext(limited, "enroll."+c.token.ID, data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return a, fmt.Errorf("%w: it was used, or `stackfleet enroll` does not run any more; make a new one with: stackfleet enroll %s", errNobody, c.token.Host)
	case err != nil:
		return a, fmt.Errorf("ask the hub: %w", err)
	case len(m.Data) > maxMessage:
		return a, errors.New("ask the hub: its answer is too long")
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return a, fmt.Errorf("ask the hub: read its answer: %w", err)
	}
	return a, nil
}

// finish checks what the hub signed, keeps it, and tells the hub.
func (c *candidate) finish(ctx context.Context, j Joining, signed []byte) (Member, error) {
	m, err := c.check(signed)
	if err != nil {
		return Member{}, fmt.Errorf("the hub's answer is not for this account: %w", err)
	}
	if err := m.write(j.StateHome); err != nil {
		return Member{}, err
	}
	c.request.Done = true
	if _, err := c.ask(ctx); err != nil {
		j.Tell("this account is enrolled, but the hub does not know that it knows: " + err.Error())
	}
	return m, nil
}

// check returns the membership in an answer, if the registry that the token names signed it for
// this source and these keys.
func (c *candidate) check(signed []byte) (Member, error) {
	var got membership
	if err := fleet.OpenStatement(answerKind, c.source, signed, c.token.Registry, &got); err != nil {
		return Member{}, err
	}
	m := got.Member
	switch {
	case m.Source != c.source || got.Identity.Source != c.source:
		return Member{}, errors.New("it is about another source")
	case !equal(got.Identity.Key, c.request.Key) || got.Identity.Connection != c.request.Connection:
		return Member{}, errors.New("it is about other keys")
	case !equal(m.RegistryKey, c.token.Registry) || !equal(m.ArchiveKey, c.token.Archive):
		return Member{}, errors.New("it names other keys of the hub than the token")
	case !isFor(m.JWT, c.request.Connection):
		return Member{}, errors.New("its JWT is for another key")
	}
	return m, checkAddress(m.URLs, m.Pin)
}

// isFor reports whether a JWT is for a public nkey. The broker checks its signature.
func isFor(token, nkey string) bool {
	var claims struct {
		Subject string `json:"sub"`
	}
	return nkeys.IsValidPublicUserKey(nkey) && payload(token, &claims) == nil && claims.Subject == nkey
}
