// Package authority has the keys of a hub, and what they allow: accounts at the broker, the
// connections of the hub's own parts, of hosts, and of hosts that are being enrolled. It imports
// neither the broker nor a client of it.
//
// There are three accounts. SYSTEM changes accounts in a broker that runs. FLEET has the
// streams, and only the hub's own parts connect to it. HOSTS has no streams: it imports from
// FLEET the few subjects that hosts publish. So a broker's reply to a host never goes to a
// subject of the hub, whatever subject the host named for the reply: in one account it would,
// with the broker's permissions instead of the host's.
//
// Start at [Make] and [Open].
package authority

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/regularfile"
)

// Files of the folder of keys. A .nk file has the seed of a key, a .jwt file what is signed.
const (
	operatorKey  = "operator.nk" // changes accounts; needed only for that
	systemKey    = "system.nk"
	accountKey   = "account.nk" // of FLEET
	hostsKey     = "hosts.nk"
	enrolleesKey = "enrollees.nk"
	hubCreds     = "hub.creds"
	archiveKey   = "archive.key"
	registryKey  = "registry.key"

	operatorFile = "operator.jwt"
	systemFile   = "system.jwt"
	fleetFile    = "fleet.jwt"
	hostsFile    = "hosts.jwt"
)

// maxFile bounds the files of keys. An account's JWT has every revoked host in it.
const maxFile = 8 << 20

// Account is an account at the broker.
type Account struct {
	ID  string // its public key
	JWT string // signed by the operator
}

// Authority is the keys of a hub. Org is the organisation whose hosts it enrolls.
type Authority struct {
	Org      string
	Operator string // JWT
	System   Account
	Fleet    Account
	Hosts    Account
	Archive  fleet.Key // signs watermarks
	Registry fleet.Key // signs identities, and answers to enrolments

	dir string
}

// Folder returns the folder of keys of a hub's folder.
func Folder(data string) string { return filepath.Join(data, "keys") }

// CredsPath returns the credentials of the hub's own parts (the format of nsc(1)): all of the
// account FLEET.
func CredsPath(data string) string { return filepath.Join(Folder(data), hubCreds) }

// Open reads the keys of the hub whose folder data is. If there are none yet, the error is
// fs.ErrNotExist.
func Open(data string) (*Authority, error) {
	a := &Authority{dir: Folder(data)}
	info, err := os.Stat(a.dir)
	if err != nil {
		return nil, fmt.Errorf("open the hub's keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may look into %s (mode %04o): chmod 700 it, and make new keys if somebody did", a.dir, info.Mode().Perm())
	}
	if err := a.read(); err != nil {
		return nil, fmt.Errorf("open the hub's keys: %w; bring %s back from a backup", err, a.dir)
	}
	return a, nil
}

func (a *Authority) read() error {
	var err error
	if a.Archive, err = fleet.ReadKey(filepath.Join(a.dir, archiveKey)); err != nil {
		return err
	}
	if a.Registry, err = fleet.ReadKey(filepath.Join(a.dir, registryKey)); err != nil {
		return err
	}
	if a.Operator, err = a.text(operatorFile); err != nil {
		return err
	}
	for name, to := range map[string]*Account{systemFile: &a.System, fleetFile: &a.Fleet, hostsFile: &a.Hosts} {
		claims, err := a.account(name)
		if err != nil {
			return err
		}
		to.ID = claims.Subject
		if to.JWT, err = a.text(name); err != nil {
			return err
		}
		if name == hostsFile {
			a.Org = claims.Description
		}
	}
	return nil
}

// Accounts returns the JWT of each account, by its public key: what a broker needs to know.
func (a *Authority) Accounts() map[string]string {
	return map[string]string{a.System.ID: a.System.JWT, a.Fleet.ID: a.Fleet.JWT, a.Hosts.ID: a.Hosts.JWT}
}

func (a *Authority) account(name string) (*jwt.AccountClaims, error) {
	text, err := a.text(name)
	if err != nil {
		return nil, err
	}
	claims, err := jwt.DecodeAccountClaims(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(a.dir, name), err)
	}
	return claims, nil
}

func (a *Authority) text(name string) (string, error) {
	data, err := regularfile.Read(filepath.Join(a.dir, name), maxFile)
	return string(data), err
}

// key reads the seed of a key.
func (a *Authority) key(name string) (nkeys.KeyPair, error) {
	return readSeed(filepath.Join(a.dir, name))
}

func readSeed(path string) (nkeys.KeyPair, error) {
	seed, err := regularfile.Read(path, 1000)
	if err != nil {
		return nil, err
	}
	pair, err := nkeys.ParseDecoratedNKey(seed)
	if err != nil {
		return nil, fmt.Errorf("read the key %s: %w", path, err)
	}
	return pair, nil
}

// IsRevoked reports whether the right to connect of a public nkey was ended.
func (a *Authority) IsRevoked(nkey string) (bool, error) {
	claims, err := a.account(hostsFile)
	if err != nil {
		return false, err
	}
	_, is := claims.Revocations[nkey]
	return is, nil
}

// ErrNoOperator means that the operator's key is not in the folder of keys.
var ErrNoOperator = errors.New("the operator's key is not here")

// Revoke ends the right to connect of the host with that public nkey, and returns the account
// to give to the broker. It needs the operator's key, which may be kept elsewhere: path names
// its file, "" the one in the folder of keys; [ErrNoOperator] if that is not there. What was
// issued for the same nkey later is not revoked.
func (a *Authority) Revoke(path, nkey string, now time.Time) (Account, error) {
	if path == "" {
		path = filepath.Join(a.dir, operatorKey)
	}
	operator, err := readSeed(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Account{}, fmt.Errorf("%w: %w; name its file with --operator-key", ErrNoOperator, err)
	}
	if err != nil {
		return Account{}, err
	}
	if public, err := operator.PublicKey(); err != nil || !nkeys.IsValidPublicOperatorKey(public) {
		return Account{}, fmt.Errorf("%s is not the key of an operator", path)
	}
	release, err := lock.Take(filepath.Join(a.dir, "lock"), now)
	if err != nil {
		return Account{}, fmt.Errorf("change the account of hosts: the lock is %w: try again", err)
	}
	defer release()
	claims, err := a.account(hostsFile)
	if err != nil {
		return Account{}, err
	}
	if public, _ := operator.PublicKey(); public != claims.Issuer {
		return Account{}, fmt.Errorf("%s is the key of another hub's operator", path)
	}
	claims.RevokeAt(nkey, now)
	text, err := claims.Encode(operator)
	if err != nil {
		return Account{}, fmt.Errorf("sign the account of hosts: %w", err)
	}
	if err := write(filepath.Join(a.dir, hostsFile), []byte(text)); err != nil {
		return Account{}, err
	}
	a.Hosts.JWT = text
	return a.Hosts, nil
}

func write(path string, data []byte) error {
	if err := atomicfile.Write(path, 0o600, writing(data)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
