package fleet

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what a statement of the hub is about.
type Kind string

// Kinds of statements. Each is the first token of the subjects that they are published by.
const (
	WatermarkKind Kind = "watermark" // signed by the key of the archive
	IdentityKind  Kind = "identity"  // signed by the key of the registry
)

// Watermark says what the archive has of a source on its disk. The source deletes what is
// below, and sends what is missing again.
type Watermark struct {
	Source
	Key     PublicKey `json:"key"`    // of the chain; the source's chain by another key is another one
	Upto    uint64    `json:"upto"`   // all envelopes up to this one; 0 is none
	Digest  Digest    `json:"digest"` // of that one; zero for none
	Newest  uint64    `json:"newest"` // the highest that is kept
	Missing []Range   `json:"missing"`
	Fork    string    `json:"fork,omitempty"` // why the source is not trusted
	At      time.Time `json:"at"`
}

// Identity is a source that an operator confirmed.
type Identity struct {
	Source
	Key        PublicKey  `json:"key"`        // of its evidence
	Connection string     `json:"connection"` // public nkey by which it connects
	Enrolled   time.Time  `json:"enrolled"`
	Revoked    *time.Time `json:"revoked,omitempty"` // what was received later is refused
}

const (
	statementMark = "SPS1"
	statementHead = len(statementMark) + ed25519.SignatureSize
	maxStatement  = 64 << 10
)

// StatementSubject returns the subject of a statement about a source.
func StatementSubject(kind Kind, s Source) (string, error) {
	subject, err := s.Subject()
	if err != nil {
		return "", err
	}
	return string(kind) + subject[len(evidence):], nil
}

// ParseStatementSubject returns the source of a subject that [StatementSubject] made.
func ParseStatementSubject(kind Kind, subject string) (Source, error) {
	rest, isOfKind := strings.CutPrefix(subject, string(kind)+".")
	if !isOfKind {
		return Source{}, fmt.Errorf("%.300q is no subject of a statement of the kind %s", subject, kind)
	}
	return ParseSubject(evidence + "." + rest)
}

// Sign signs a statement of a kind about a source: a [Watermark] or an [Identity].
func (k Key) Sign(kind Kind, s Source, v any) ([]byte, error) {
	subject, err := StatementSubject(kind, s)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a statement: %w", err)
	}
	signature, err := k.private.Sign(nil, signed(subject, body), purposeOf(kind))
	if err != nil {
		return nil, fmt.Errorf("sign a statement: %w", err)
	}
	return slices.Concat([]byte(statementMark), signature, body), nil
}

// OpenStatement decodes a statement of a kind about a source into v, if it is signed by the key.
func OpenStatement(kind Kind, s Source, data []byte, key PublicKey, v any) error {
	subject, err := StatementSubject(kind, s)
	if err != nil {
		return err
	}
	if len(data) < statementHead || len(data) > maxStatement || !bytes.HasPrefix(data, []byte(statementMark)) {
		return fmt.Errorf("%s: not a statement, or one of a newer version", subject)
	}
	signature, body := data[len(statementMark):statementHead], data[statementHead:]
	if len(key) != ed25519.PublicKeySize || ed25519.VerifyWithOptions(ed25519.PublicKey(key), signed(subject, body), signature, purposeOf(kind)) != nil {
		return fmt.Errorf("%s: the signature is not the hub's", subject)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	return nil
}

func purposeOf(kind Kind) *ed25519.Options {
	return &ed25519.Options{Context: "stackpolicy " + string(kind) + " v1", Hash: crypto.Hash(0)}
}
