package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
	"stackpolicy/fleet/link"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

// Member is what an account of a host knows of its fleet: the content of fleet.json.
type Member struct {
	fleet.Source
	URLs        []string        `json:"urls"`
	Pin         string          `json:"pin"` // of the hub's certificate; "" wants one that the system trusts
	JWT         string          `json:"jwt"`
	ArchiveKey  fleet.PublicKey `json:"archive_key"`
	RegistryKey fleet.PublicKey `json:"registry_key"`
	ReleaseRoot []byte          `json:"release_root,omitempty"` // root.json of TUF; nil: the hub has no releases
	Enrolled    time.Time       `json:"enrolled"`
}

// maxMember bounds fleet.json.
const maxMember = 256 << 10

func folder(stateHome string) string { return filepath.Join(stateHome, "stackpolicy") }

// MemberPath returns fleet.json of an account, below $XDG_STATE_HOME.
func MemberPath(stateHome string) string { return filepath.Join(folder(stateHome), "fleet.json") }

// NkeyPath returns the seed of the nkey by which an account connects.
func NkeyPath(stateHome string) string { return filepath.Join(folder(stateHome), "fleet.nk") }

// ReadMember reads fleet.json. If the account is not enrolled, the error is fs.ErrNotExist.
func ReadMember(stateHome string) (Member, error) {
	path := MemberPath(stateHome)
	data, err := regularfile.Read(path, maxMember)
	if err != nil {
		return Member{}, fmt.Errorf("read what this account knows of its fleet: %w", err)
	}
	var m Member
	if err := json.Unmarshal(data, &m); err != nil {
		return Member{}, fmt.Errorf("read %s: %w", path, err)
	}
	if _, err := m.Subject(); err != nil {
		return Member{}, fmt.Errorf("read %s: %w", path, err)
	}
	if err := checkAddress(m.URLs, m.Pin); err != nil {
		return Member{}, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

func (m Member) write(stateHome string) error {
	err := atomicfile.Write(MemberPath(stateHome), 0o600, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(m)
	})
	if err != nil {
		return fmt.Errorf("write what this account knows of its fleet: %w", err)
	}
	return nil
}

// Connect connects an account to the hub of its fleet, once: see [link.Connect].
func Connect(ctx context.Context, stateHome string, m Member) (*nats.Conn, error) {
	pair, err := readNkey(NkeyPath(stateHome))
	if err != nil {
		return nil, err
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", NkeyPath(stateHome), err)
	}
	c, err := link.Connect(ctx, link.Options{URLs: m.URLs, Pin: m.Pin, JWT: m.JWT, Seed: seed, Name: m.Host + " " + m.User})
	if errors.Is(err, link.ErrRefused) {
		err = fmt.Errorf("%w: it was revoked, or the hub has new keys; enroll this account again", err)
	}
	return c, err
}

// readNkey reads the seed of a user's nkey. One that others may read is an error.
func readNkey(path string) (nkeys.KeyPair, error) {
	f, err := regularfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key of the connection: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the key of the connection: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key %s may be read by others (mode %04o): chmod 600 it, and enroll this account again if somebody did", path, info.Mode().Perm())
	}
	seed, err := regularfile.ReadAll(f, 1000)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	pair, err := nkeys.ParseDecoratedUserNKey(seed)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return pair, nil
}

// makeNkey makes the nkey of the connection, or reads it if there is one.
func makeNkey(path string) (nkeys.KeyPair, error) {
	pair, err := readNkey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return pair, err
	}
	if pair, err = nkeys.CreateUser(); err != nil {
		return nil, fmt.Errorf("make the key of the connection: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, fmt.Errorf("make the key of the connection: %w", err)
	}
	err = atomicfile.Write(path, 0o600, func(w io.Writer) error {
		_, err := w.Write(append(seed, '\n'))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the key of the connection: %w", err)
	}
	return readNkey(path)
}

// Key returns the key of an account's evidence, and makes it if there is none.
func Key(stateHome string) (fleet.Key, error) {
	if err := os.MkdirAll(folder(stateHome), 0o700); err != nil {
		return fleet.Key{}, fmt.Errorf("make the folder of the keys: %w", err)
	}
	return makeKey(fleet.KeyPath(stateHome))
}

// makeKey makes the key of the evidence, or reads it if there is one.
func makeKey(path string) (fleet.Key, error) {
	key, err := fleet.ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = fleet.NewKey(); err != nil {
		return fleet.Key{}, err
	}
	if err := key.Write(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fleet.Key{}, err
	}
	return fleet.ReadKey(path)
}

// PutAside renames the keys, fleet.json and the spool of an account to *.old, so that it can be
// enrolled with new keys. What waits to be sent is in its memory, which is sent again as a whole.
func PutAside(stateHome string) error {
	spool := filepath.Join(folder(stateHome), "fleet.db")
	for _, path := range []string{MemberPath(stateHome), fleet.KeyPath(stateHome), NkeyPath(stateHome), spool, spool + "-wal", spool + "-shm"} {
		if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put the old keys aside: %w", err)
		}
	}
	return nil
}
