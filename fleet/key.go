package fleet

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

// Key signs the evidence of one source. It is another one than that by which the source
// connects: a broker chooses what is signed for a connection, and could choose an envelope.
type Key struct{ private ed25519.PrivateKey }

// PublicKey is the other half of a [Key].
type PublicKey ed25519.PublicKey

// NewKey makes a key.
func NewKey() (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("make a key: %w", err)
	}
	return Key{private}, nil
}

// Public returns the key's other half.
func (k Key) Public() PublicKey { return PublicKey(k.private.Public().(ed25519.PublicKey)) }

// Fingerprint returns what two people compare: SHA256: and the digest of the key in base64, as
// ssh-keygen(1) writes it.
func (p PublicKey) Fingerprint() string {
	digest := sha256.Sum256(p)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(digest[:])
}

// KeyPath returns where an account has its key, below $XDG_STATE_HOME.
func KeyPath(stateHome string) string { return filepath.Join(stateHome, "stackpolicy", "fleet.key") }

const (
	pemType    = "PRIVATE KEY" // PKCS #8
	maxKeyFile = 10_000
)

// ReadKey reads a key. If the file does not exist the error is fs.ErrNotExist; one that
// others may read is an error, too.
func ReadKey(path string) (Key, error) {
	f, err := regularfile.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("read the key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("read the key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("the key %s may be read by others (mode %04o): chmod 600 it, and enroll this host again if somebody did", path, info.Mode().Perm())
	}
	text, err := regularfile.ReadAll(f, maxKeyFile)
	if err != nil {
		return Key{}, fmt.Errorf("read the key %s: %w", path, err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return Key{}, fmt.Errorf("%s has no private key: want one in PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("the key %s: %w", path, err)
	}
	private, isOurs := parsed.(ed25519.PrivateKey)
	if !isOurs {
		return Key{}, fmt.Errorf("the key %s is of another kind: want an ed25519 key", path)
	}
	return Key{private}, nil
}

// Write writes a key to a new file, that only its owner may read. It never replaces a file: the
// error is fs.ErrExist then.
func (k Key) Write(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	whole := path + ".new"
	if err := atomicfile.Write(whole, 0o600, func(w io.Writer) error {
		return pem.Encode(w, &pem.Block{Type: pemType, Bytes: der})
	}); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	defer os.Remove(whole)
	if err := os.Link(whole, path); err != nil { // a rename would replace
		return fmt.Errorf("write the key: %w", err)
	}
	return nil
}
