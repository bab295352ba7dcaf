package authority

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
)

// Host returns the JWT by which a source connects with a public nkey. Its name is the source as
// in its subject, ORG.HOST.USER, by which the broker knows what it may publish. It does not
// expire: [Authority.Revoke] ends it.
func (a *Authority) Host(s fleet.Source, nkey string) (string, error) {
	subject, err := s.Subject()
	if err != nil {
		return "", err
	}
	if s.Org != a.Org {
		return "", fmt.Errorf("%s is not a host of %s", subject, a.Org)
	}
	_, name, _ := strings.Cut(subject, ".")
	return a.issue(hostsKey, name, nkey, time.Time{})
}

// Enrollee returns the JWT by which a host that has a token asks to be enrolled, until it
// expires. The id is one token of a subject.
func (a *Authority) Enrollee(id, nkey string, expires time.Time) (string, error) {
	return a.issue(enrolleesKey, id, nkey, expires)
}

// issue signs a user with a scoped key. It has no permissions of its own.
func (a *Authority) issue(key, name, nkey string, expires time.Time) (string, error) {
	if !nkeys.IsValidPublicUserKey(nkey) {
		return "", fmt.Errorf("%.100q is no public nkey of a user", nkey)
	}
	pair, err := a.key(key)
	if err != nil {
		return "", err
	}
	claims := jwt.NewUserClaims(nkey)
	claims.SetScoped(true)
	claims.Name, claims.IssuerAccount = name, a.Hosts.ID
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	text, err := claims.Encode(pair)
	if err != nil {
		return "", fmt.Errorf("issue the right to connect: %w", err)
	}
	return text, nil
}

// systemTime is how long a connection may last that changes accounts.
const systemTime = 5 * time.Minute

// SystemUser returns a JWT and a seed, by which the hub changes accounts in a broker that runs.
func (a *Authority) SystemUser(now time.Time) (token string, seed []byte, err error) {
	account, err := a.key(systemKey)
	if err != nil {
		return "", nil, err
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return "", nil, err
	}
	public, err := user.PublicKey()
	if err != nil {
		return "", nil, err
	}
	claims := jwt.NewUserClaims(public)
	claims.Name, claims.Expires = "hub", now.Add(systemTime).Unix()
	if token, err = claims.Encode(account); err != nil {
		return "", nil, fmt.Errorf("issue the right to change accounts: %w", err)
	}
	seed, err = user.Seed()
	return token, seed, err
}
