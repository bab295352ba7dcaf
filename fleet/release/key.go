package release

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

// PublicKey is a key that may sign metadata, with the name of who has it.
type PublicKey struct {
	Name   string `json:"name"`
	Public string `json:"public"` // ed25519, as hexadecimal digits
}

// SigningKey signs metadata.
type SigningKey struct {
	PublicKey
	private ed25519.PrivateKey
}

// keyFile is the form of a key's file. The private part is encrypted as python-tuf and cosign
// do it: scrypt and NaCl's secretbox.
type keyFile struct {
	PublicKey
	Encrypted json.RawMessage `json:"encrypted,omitempty"`
	Private   []byte          `json:"private,omitempty"` // of the hub's key, which no person unlocks
}

// ErrPassphrase means that a key's passphrase is another one.
var ErrPassphrase = errors.New("the passphrase is wrong, or the file is damaged")

const (
	maxKeyFile    = 10_000
	minPassphrase = 8
)

// NewKey makes a key for somebody.
func NewKey(name string) (SigningKey, error) {
	if !ValidLabel(name) {
		return SigningKey{}, fmt.Errorf("%.100q is no name for a key; want letters, digits, dots, _ and -", name)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return SigningKey{}, fmt.Errorf("make a key: %w", err)
	}
	return SigningKey{PublicKey{name, hex.EncodeToString(public)}, private}, nil
}

// Write writes the key, encrypted with a passphrase, to a new file that only its owner may
// read. It never replaces a file: the error is fs.ErrExist then.
func (k SigningKey) Write(path string, passphrase []byte) error {
	if len(passphrase) < minPassphrase {
		return fmt.Errorf("the passphrase has %d bytes; want at least %d", len(passphrase), minPassphrase)
	}
	sealed, err := encrypted.EncryptWithCustomKDFParameters(k.private, passphrase, encrypted.OWASP)
	if err != nil {
		return fmt.Errorf("encrypt the key: %w", err)
	}
	return writeNew(path, keyFile{PublicKey: k.PublicKey, Encrypted: sealed})
}

// writeOpen writes a key without a passphrase.
func (k SigningKey) writeOpen(path string) error {
	return writeNew(path, keyFile{PublicKey: k.PublicKey, Private: k.private})
}

// WritePublic writes the public part of a key to a new file.
func (p PublicKey) Write(path string) error { return writeNew(path, keyFile{PublicKey: p}) }

func writeNew(path string, k keyFile) error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	whole := path + ".new"
	if err := atomicfile.Write(whole, 0o600, func(w io.Writer) error { _, err := w.Write(append(text, '\n')); return err }); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	defer os.Remove(whole)
	err = os.Link(whole, path) // a rename would replace
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there, and a key is never replaced: %w", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return nil
}

// ReadPublicKey reads the public part of a key, from its own file or from that of the whole key.
func ReadPublicKey(path string) (PublicKey, error) {
	k, _, err := readKeyFile(path)
	return k.PublicKey, err
}

// ReadKey reads a key. A file that others may read is an error, and so is a wrong passphrase:
// [ErrPassphrase]. The passphrase is asked for only if the key is encrypted.
func ReadKey(path string, passphrase func() ([]byte, error)) (SigningKey, error) {
	k, mode, err := readKeyFile(path)
	if err != nil {
		return SigningKey{}, err
	}
	if len(k.Encrypted)+len(k.Private) == 0 {
		return SigningKey{}, fmt.Errorf("%s has only the public part of the key of %s", path, k.Name)
	}
	if mode.Perm()&0o077 != 0 {
		return SigningKey{}, fmt.Errorf("the key %s may be read by others (mode %04o): chmod 600 it, and replace it if somebody did", path, mode.Perm())
	}
	private := k.Private
	if len(k.Encrypted) > 0 {
		words, err := passphrase()
		if err != nil {
			return SigningKey{}, err
		}
		if private, err = encrypted.Decrypt(k.Encrypted, words); err != nil {
			return SigningKey{}, fmt.Errorf("%s: %w", path, ErrPassphrase)
		}
	}
	key := ed25519.PrivateKey(private)
	if len(key) != ed25519.PrivateKeySize || hex.EncodeToString(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]) != k.Public {
		return SigningKey{}, fmt.Errorf("the key %s is damaged: its two parts are not of one key", path)
	}
	return SigningKey{k.PublicKey, key}, nil
}

func readKeyFile(path string) (k keyFile, mode fs.FileMode, err error) {
	f, err := regularfile.Open(path)
	if err != nil {
		return k, 0, fmt.Errorf("read the key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return k, 0, fmt.Errorf("read the key: %w", err)
	}
	text, err := regularfile.ReadAll(f, maxKeyFile)
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return k, 0, fmt.Errorf("read the key %s: %w", path, err)
	}
	if _, _, err := k.tuf(); err != nil || !ValidLabel(k.Name) {
		return k, 0, fmt.Errorf("%s is no key of releases; make one with stackfleet release key", path)
	}
	return k, info.Mode(), nil
}

// tuf returns the key and its id as TUF has them.
func (p PublicKey) tuf() (*metadata.Key, string, error) {
	public, err := hex.DecodeString(p.Public)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return nil, "", fmt.Errorf("%.100q is no public key", p.Public)
	}
	key, err := metadata.KeyFromPublicKey(ed25519.PublicKey(public))
	if err != nil {
		return nil, "", err
	}
	id, err := key.ID()
	return key, id, err
}

func (k SigningKey) signer() (signature.Signer, error) {
	return signature.LoadSigner(k.private, crypto.Hash(0))
}
