// Package link connects to the broker of a fleet: TLS always, the hub's certificate by its pin,
// and the right to connect by a JWT and an nkey. It imports the client, not the server.
package link

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Options are how to connect.
type Options struct {
	URLs []string // tls://HOST:PORT, tried in this order
	Pin  string   // [PinOf] the hub's certificate; "" wants one that the system trusts
	JWT  string
	Seed []byte // of the user's nkey
	Name string // that the broker shows
}

// connectTime bounds each address; a context bounds all of them.
const connectTime = 4 * time.Second

// Limits of addresses: a token comes from outside.
const maxURLs = 16

// Errors of connecting, which a caller can tell apart.
var (
	ErrPin     = errors.New("the certificate is not the hub's")
	ErrRefused = errors.New("the hub refuses this key")
)

// PinOf returns the SHA-256 of the public key of a certificate (its SubjectPublicKeyInfo), as
// hexadecimal digits.
func PinOf(c *x509.Certificate) string {
	digest := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(digest[:])
}

// Connect connects once. It does not connect again if the connection ends: a host tries again
// after its next audit. The error is [ErrPin] or [ErrRefused] if every address that answers is
// so. The caller closes the connection.
func Connect(ctx context.Context, o Options) (*nats.Conn, error) {
	return connect(ctx, o, nats.NoReconnect())
}

// Stay connects, and connects again for as long as the program runs, for the parts of the hub.
func Stay(ctx context.Context, o Options) (*nats.Conn, error) {
	return connect(ctx, o, nats.MaxReconnects(-1), nats.ReconnectWait(time.Second), nats.ReconnectJitter(time.Second, time.Second))
}

func connect(ctx context.Context, o Options, more ...nats.Option) (*nats.Conn, error) {
	pair, err := nkeys.FromSeed(o.Seed)
	if err != nil {
		return nil, fmt.Errorf("read the seed of the connection's nkey: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read the connection's nkey: %w", err)
	}
	if len(o.URLs) == 0 || len(o.URLs) > maxURLs {
		return nil, fmt.Errorf("there are %d addresses of the hub: want 1 to %d", len(o.URLs), maxURLs)
	}
	options := append([]nats.Option{
		nats.Name(o.Name), nats.CustomInboxPrefix("_INBOX." + public),
		nats.UserJWT(func() (string, error) { return o.JWT, nil }, pair.Sign),
		nats.Secure(config(o.Pin)), nats.NoCallbacksAfterClientClose(),
	}, more...)
	return each(ctx, o.URLs, options)
}

// each tries the addresses in their order. The client's own list would hide all errors but the
// last.
func each(ctx context.Context, urls []string, options []nats.Option) (*nats.Conn, error) {
	var errs []error
	for i, url := range urls {
		if ctx.Err() != nil {
			errs = append(errs, fmt.Errorf("%s: %w", url, ctx.Err()))
			break
		}
		limit := connectTime
		if end, has := ctx.Deadline(); has {
			limit = min(limit, max(time.Until(end)/time.Duration(len(urls)-i), time.Millisecond))
		}
		d := &dialer{limit: limit}
		c, err := nats.Connect(url, append(options, nats.Timeout(limit), nats.SetCustomDialer(d))...)
		if err == nil {
			return c, nil
		}
		if d.err != nil {
			err = d.err
		}
		errs = append(errs, fmt.Errorf("%s: %w", url, explained(err)))
	}
	return nil, fmt.Errorf("connect to the hub: %w", errors.Join(errs...))
}

func explained(err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// config wants the certificate with that pin, or one that the system trusts. A pin replaces
// names, dates and authorities: they are not looked at.
func config(pin string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if pin != "" {
		c.InsecureSkipVerify = true // VerifyConnection does it, also where a session is resumed
		c.VerifyConnection = func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return ErrPin
			}
			got := PinOf(s.PeerCertificates[0])
			if subtle.ConstantTimeCompare([]byte(got), []byte(pin)) != 1 {
				return fmt.Errorf("%w: its pin is %s, not %s", ErrPin, got, pin)
			}
			return nil
		}
	}
	return c
}
