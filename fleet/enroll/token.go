// Package enroll makes a host a member of a fleet: an operator gives a token to the host, the
// host asks with its keys, the operator compares the fingerprint, and the hub answers with what
// the host needs to send evidence.
//
// Start at [Join], the host's side, and [Desk.Await], the hub's. The broker only allows whoever
// has the token to ask, over TLS to the certificate that the token names; the request is signed
// by the host's own key and the answer by the key that the token names.
package enroll

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
)

// Token lets one host ask to be enrolled, once and for an hour.
type Token struct {
	Version  int             `json:"v"`
	URLs     []string        `json:"urls"`
	Pin      string          `json:"pin,omitempty"` // of the hub's certificate; "" wants one that the system trusts
	Org      string          `json:"org"`
	Host     string          `json:"host"`
	User     string          `json:"user,omitempty"` // "" is any account of the host
	ID       string          `json:"id"`
	JWT      string          `json:"jwt"`
	Seed     string          `json:"seed"`
	Registry fleet.PublicKey `json:"registry"`
	Archive  fleet.PublicKey `json:"archive"`
	Expires  time.Time       `json:"expires"`
}

// Limits of a token, which comes from outside.
const (
	tokenVersion = 1
	maxToken     = 4000 // bytes; a terminal takes lines of 4,095
	maxURLs      = 16
)

// NewToken makes a token like the one that is given, with an id and a key of its own. Issue signs
// the right to ask.
func NewToken(like Token, expires time.Time, issue func(id, nkey string, expires time.Time) (jwt string, err error)) (Token, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return Token{}, fmt.Errorf("make the key of the token: %w", err)
	}
	public, err1 := pair.PublicKey()
	seed, err2 := pair.Seed()
	if err := errors.Join(err1, err2); err != nil {
		return Token{}, fmt.Errorf("make the key of the token: %w", err)
	}
	t := like
	t.Version, t.ID, t.Seed, t.Expires = tokenVersion, public, string(seed), expires.UTC().Truncate(time.Second)
	if t.JWT, err = issue(t.ID, public, t.Expires); err != nil {
		return Token{}, err
	}
	if err := t.check(); err != nil {
		return Token{}, fmt.Errorf("make a token: %w", err)
	}
	if line := t.String(); len(line) > maxToken {
		return Token{}, fmt.Errorf("the token would have %d bytes, and a line in a terminal %d: use fewer addresses", len(line), maxToken)
	}
	return t, nil
}

// String returns the token as one line.
func (t Token) String() string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // no value of it can fail
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// errNoToken is about a line that was not pasted as it was printed.
var errNoToken = errors.New("this is no token, or not all of it, or more than it: paste the line that `stackfleet enroll` printed, once")

// ParseToken reads what [Token.String] returns. Blanks around it are ignored.
func ParseToken(line string) (Token, error) {
	line = strings.TrimSpace(line)
	if len(line) > maxToken {
		return Token{}, fmt.Errorf("%w: it is longer than %d bytes", errNoToken, maxToken)
	}
	text, err := base64.RawURLEncoding.DecodeString(line)
	if err != nil || !bytes.HasPrefix(text, []byte("{")) {
		return Token{}, errNoToken
	}
	var t Token
	if err := json.Unmarshal(text, &t); err != nil {
		return Token{}, errNoToken // what the JSON lacks says nothing to somebody who pastes
	}
	if t.Version != tokenVersion {
		return Token{}, fmt.Errorf("the token is of version %d, and this program knows %d: update stackpolicy on this host", t.Version, tokenVersion)
	}
	if err := t.check(); err != nil {
		return Token{}, fmt.Errorf("the token is broken: %w", err)
	}
	return t, nil
}

func (t Token) check() error {
	user := t.User
	if user == "" {
		user = "any"
	}
	if _, err := (fleet.Source{Org: t.Org, Host: t.Host, User: user}).Subject(); err != nil {
		return err
	}
	if len(t.Registry) != ed25519.PublicKeySize || len(t.Archive) != ed25519.PublicKeySize {
		return errors.New("a key of the hub is missing")
	}
	if t.ID == "" || strings.ContainsAny(t.ID, ".*> \t\r\n") {
		return errors.New("its id is not valid")
	}
	return checkAddress(t.URLs, t.Pin)
}

// checkAddress checks where a hub is and how it is known.
func checkAddress(urls []string, pin string) error {
	if len(urls) == 0 || len(urls) > maxURLs {
		return fmt.Errorf("it has %d addresses of the hub", len(urls))
	}
	for _, u := range urls {
		if p, err := url.Parse(u); err != nil || p.Scheme != "tls" || p.Port() == "" || p.User != nil {
			return fmt.Errorf("%.100q is no address of a hub: want tls://HOST:PORT", u)
		}
	}
	if digest, err := hex.DecodeString(pin); err != nil || len(digest) != 0 && len(digest) != 32 {
		return errors.New("the pin of the hub's certificate is not one")
	}
	return nil
}
