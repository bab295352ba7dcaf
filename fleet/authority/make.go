package authority

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
)

// Make makes the keys of a hub for an organisation, all or none, and opens them. It never
// replaces keys: if there are some, the error is fs.ErrExist.
func Make(data, org string) (*Authority, error) {
	if _, err := (fleet.Source{Org: org, Host: "host", User: "user"}).Subject(); err != nil {
		return nil, err
	}
	dir := Folder(data)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("make the hub's keys in %s: %w", dir, fs.ErrExist)
	}
	whole, err := os.MkdirTemp(data, ".keys-")
	if err != nil {
		return nil, fmt.Errorf("make the hub's keys: %w", err)
	}
	err = (&maker{dir: whole, org: org}).all()
	if err == nil {
		err = os.Rename(whole, dir) // fails if somebody else made them meanwhile: a folder that is not empty
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the hub's keys: %w", err), os.RemoveAll(whole))
	}
	return Open(data)
}

// maker makes keys in a folder. Only the first error counts.
type maker struct {
	dir, org string
	operator nkeys.KeyPair
	err      error
}

func (m *maker) all() error {
	m.operator = m.pair(operatorKey, nkeys.CreateOperator)
	system, account := m.pair(systemKey, nkeys.CreateAccount), m.pair(accountKey, nkeys.CreateAccount)
	hosts, enrollees := m.pair(hostsKey, nkeys.CreateAccount), m.pair(enrolleesKey, nkeys.CreateAccount)
	// The seed of the account HOSTS is not kept: so nobody can make a host that may do more than
	// its signing keys allow.
	members := m.pair("", nkeys.CreateAccount)
	if m.err != nil {
		return m.err
	}
	m.sign(operatorFile, operatorOf(m.public(m.operator), m.public(system)))
	m.sign(systemFile, systemAccount(m.public(system)))
	m.sign(fleetFile, fleetAccount(m.public(account), m.org))
	m.sign(hostsFile, hostsAccount(m.public(members), m.public(account), m.org, m.public(hosts), m.public(enrollees)))
	m.creds(account)
	m.signer(archiveKey)
	m.signer(registryKey)
	return m.err
}

// pair makes a key and keeps its seed, unless it has no name.
func (m *maker) pair(name string, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	pair, err := create()
	if err != nil {
		m.err = errors.Join(m.err, err)
		return nil
	}
	seed, err := pair.Seed()
	if err == nil && name != "" {
		err = write(filepath.Join(m.dir, name), append(seed, '\n'))
	}
	m.err = errors.Join(m.err, err)
	return pair
}

func (m *maker) public(pair nkeys.KeyPair) string {
	public, err := pair.PublicKey()
	m.err = errors.Join(m.err, err)
	return public
}

func (m *maker) sign(name string, claims jwt.Claims) {
	var found jwt.ValidationResults
	claims.Validate(&found)
	if errs := found.Errors(); len(errs) > 0 {
		m.err = errors.Join(m.err, errors.Join(errs...))
		return
	}
	text, err := claims.Encode(m.operator)
	if err == nil {
		err = write(filepath.Join(m.dir, name), []byte(text))
	}
	m.err = errors.Join(m.err, err)
}

// creds makes the user of the hub's own parts.
func (m *maker) creds(account nkeys.KeyPair) {
	user, err := nkeys.CreateUser()
	if err != nil {
		m.err = errors.Join(m.err, err)
		return
	}
	claims := jwt.NewUserClaims(m.public(user))
	claims.Name = "hub"
	text, err1 := claims.Encode(account)
	seed, err2 := user.Seed()
	creds, err3 := jwt.FormatUserConfig(text, seed)
	if m.err = errors.Join(m.err, err1, err2, err3); m.err == nil {
		m.err = write(filepath.Join(m.dir, hubCreds), creds)
	}
}

func (m *maker) signer(name string) {
	key, err := fleet.NewKey()
	if err == nil {
		err = key.Write(filepath.Join(m.dir, name))
	}
	m.err = errors.Join(m.err, err)
}

func writing(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}
