// Package fleet has what the hosts of a fleet and its hub agree on: evidence, which each
// account of a host signs and chains, and how the hub judges it. It does not import the hub's
// server, so that the host's program stays small.
//
// Start at [Key.Seal] and [Open], which write and read one envelope, and [Judge], which judges
// those of one source.
package fleet

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Envelope is what a source says at one time.
type Envelope struct {
	Source
	Seq      uint64          `json:"seq"`  // 1 for the first, without gaps
	Prev     Digest          `json:"prev"` // of the sealed envelope before; zero for the first
	At       time.Time       `json:"at"`
	Boot     string          `json:"boot"`    // id of the boot (random(4)); "" is not known
	Program  string          `json:"program"` // version of stackpolicy
	Beat     Beat            `json:"beat"`
	Evidence json.RawMessage `json:"evidence,omitempty"` // rows of its memory; absent in a mere beat
}

// Digest is the SHA-256 of a sealed envelope.
type Digest [sha256.Size]byte

// MarshalText returns the digest as hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText returns.
func (d *Digest) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(d[:], text[:min(len(text), 2*len(d))]); err != nil || n != len(d) || len(text) != 2*len(d) {
		return fmt.Errorf("%.100q is no digest: want %d hexadecimal digits", text, 2*len(d))
	}
	return nil
}

// Limits of an envelope. A NATS server takes messages of a megabyte, unless it is configured otherwise.
const (
	MaxSealed = 900_000
	maxOpened = 64 << 20
)

// The parts of a sealed envelope: what it is, the signature, and the deflated JSON.
const (
	mark     = "SPE1"
	headSize = len(mark) + ed25519.SignatureSize
)

// purpose separates signatures of envelopes from all others by the same key (RFC 8032, Ed25519ctx).
var purpose = &ed25519.Options{Context: "stackpolicy evidence v1", Hash: crypto.Hash(0)}

// ErrTooLarge means that an envelope has more evidence than one message may have.
var ErrTooLarge = errors.New("too large for one message")

// Errors of [Open]. Nothing is read of an envelope whose signature is wrong.
var (
	errMark      = errors.New("not an envelope, or one of a newer version")
	errSignature = errors.New("the signature is not that of its source")
)

// Seal signs an envelope over its content and its subject. It is [ErrTooLarge] if it has more
// than [MaxSealed] bytes then.
func (k Key) Seal(e Envelope) (sealed []byte, err error) {
	subject, err := e.Subject()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode an envelope: %w", err)
	}
	var body bytes.Buffer
	w, _ := flate.NewWriter(&body, flate.BestCompression) // the level is valid
	_, err1 := w.Write(text)
	if err := errors.Join(err1, w.Close()); err != nil {
		return nil, fmt.Errorf("compress an envelope: %w", err)
	}
	signature, err := k.private.Sign(nil, signed(subject, body.Bytes()), purpose)
	if err != nil {
		return nil, fmt.Errorf("sign an envelope: %w", err)
	}
	sealed = slices.Concat([]byte(mark), signature, body.Bytes())
	if len(text) > maxOpened || len(sealed) > MaxSealed {
		return nil, fmt.Errorf("envelope %d of %s: %w: %d bytes", e.Seq, subject, ErrTooLarge, len(sealed))
	}
	return sealed, nil
}

// signed is what a signature is over. No subject has the byte 0.
func signed(subject string, body []byte) []byte {
	return append(append([]byte(subject), 0), body...)
}

// Open returns an envelope that came by a subject, if it is one of the subject's source by this
// key. The subject comes from the broker, which knows who published it.
func Open(subject string, sealed []byte, key PublicKey) (Envelope, error) {
	var e Envelope
	source, err := ParseSubject(subject)
	if err != nil {
		return e, err
	}
	if len(sealed) < headSize || len(sealed) > MaxSealed || !bytes.HasPrefix(sealed, []byte(mark)) {
		return e, errMark
	}
	signature, body := sealed[len(mark):headSize], sealed[headSize:]
	if len(key) != ed25519.PublicKeySize || ed25519.VerifyWithOptions(ed25519.PublicKey(key), signed(subject, body), signature, purpose) != nil {
		return e, errSignature
	}
	i := inflaters.Get().(*inflater)
	defer i.release()
	text, err := i.inflate(body)
	if err != nil {
		return e, fmt.Errorf("decompress an envelope: %w", err)
	}
	if len(text) > maxOpened {
		return e, fmt.Errorf("an envelope has more than %d bytes", maxOpened)
	}
	if err := json.Unmarshal(text, &e); err != nil { // which keeps nothing of the text
		return Envelope{}, fmt.Errorf("decode an envelope: %w", err)
	}
	if e.Source != source {
		return Envelope{}, fmt.Errorf("an envelope of %s is about another source", subject)
	}
	if e.Seq == 0 || (e.Seq == 1) != (e.Prev == Digest{}) {
		return Envelope{}, fmt.Errorf("envelope %d of %s has no place in a chain", e.Seq, subject)
	}
	return e, nil
}

// inflater decompresses one envelope after the other: most are small, and a new decompressor is not.
type inflater struct {
	packed bytes.Reader
	flate  io.ReadCloser
	text   bytes.Buffer
}

var inflaters = sync.Pool{New: func() any { return &inflater{flate: flate.NewReader(new(bytes.Reader))} }}

// inflate returns up to one byte more than maxOpened. They are valid until it is released.
func (i *inflater) inflate(body []byte) ([]byte, error) {
	i.packed.Reset(body)
	if err := i.flate.(flate.Resetter).Reset(&i.packed, nil); err != nil {
		return nil, err
	}
	i.text.Reset()
	_, err := i.text.ReadFrom(io.LimitReader(i.flate, maxOpened+1))
	return i.text.Bytes(), err
}

// maxHeld is the largest text of which the memory is used again, in bytes.
const maxHeld = 1 << 20

func (i *inflater) release() {
	i.packed.Reset(nil)
	if i.text.Cap() <= maxHeld {
		inflaters.Put(i)
	}
}

// DigestOf returns the digest by which the next envelope names this one.
func DigestOf(sealed []byte) Digest { return sha256.Sum256(sealed) }
