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
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"stackpolicy/internal/regularfile"
)

// Options are how to connect.
type Options struct {
	URLs []string // tls://HOST:PORT, tried in this order
	Pin  string   // [PinOf] the hub's certificate; "" wants one that the system trusts
	JWT  string
	Seed []byte // of the user's nkey
	Name string // that the broker shows
}

// Limits of time. A context bounds all addresses together.
const (
	connectTime = 4 * time.Second // each address
	writeTime   = 10 * time.Second
	pingEvery   = 30 * time.Second // two without an answer end a connection
)

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

// PinOfFile returns the pin of the first certificate in a file in PEM.
func PinOfFile(path string) (string, error) {
	text, err := regularfile.Read(path, maxCreds)
	if err != nil {
		return "", fmt.Errorf("read the certificate: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", fmt.Errorf("read the certificate %s: %w", path, err)
		}
		return PinOf(c), nil
	}
	return "", fmt.Errorf("%s has no certificate in PEM", path)
}

// Connect connects once. It does not connect again if the connection ends: a host tries again
// after its next audit. The error is an [UnreachedError], and also [ErrPin] or [ErrRefused] if an
// address that answers is so. The caller closes the connection; it ends with the context, too.
func Connect(ctx context.Context, o Options) (*nats.Conn, error) {
	options, err := o.all(nats.NoReconnect(), nats.ReconnectWait(0))
	if err != nil {
		return nil, err
	}
	unreached := &UnreachedError{}
	for i, url := range o.URLs {
		d := &dialer{}
		stop := context.AfterFunc(ctx, d.cut)
		c, err := try(ctx, url, len(o.URLs)-i, d, options)
		if err == nil {
			return c, nil
		}
		stop()
		unreached.URLs, unreached.Reasons = append(unreached.URLs, url), append(unreached.Reasons, err)
	}
	return nil, unreached
}

// Stay connects, and connects again to any of the addresses for as long as the program runs, for
// the parts of the hub. The caller closes the connection.
func Stay(ctx context.Context, o Options) (*nats.Conn, error) {
	options, err := o.all(nats.MaxReconnects(-1), nats.ReconnectWait(time.Second), nats.ReconnectJitter(time.Second, time.Second))
	if err != nil {
		return nil, err
	}
	c, err := try(ctx, strings.Join(o.URLs, ","), 1, &dialer{}, options)
	if err != nil {
		return nil, fmt.Errorf("connect to the hub: %w", err)
	}
	return c, nil
}

// all returns the options of the client.
func (o Options) all(more ...nats.Option) ([]nats.Option, error) {
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
	return append([]nats.Option{
		nats.Name(o.Name), nats.CustomInboxPrefix("_INBOX." + public),
		nats.UserJWT(func() (string, error) { return o.JWT, nil }, pair.Sign),
		nats.Secure(config(o.Pin)), nats.NoCallbacksAfterClientClose(), nats.DontRandomize(),
		nats.FlusherTimeout(writeTime), nats.PingInterval(pingEvery),
	}, more...), nil
}

// try connects to one address, or to a list of them. So many are still to be tried in the
// context's time.
func try(ctx context.Context, urls string, left int, d *dialer, options []nats.Option) (*nats.Conn, error) {
	limit := connectTime
	if end, has := ctx.Deadline(); has {
		limit = min(limit, max(time.Until(end)/time.Duration(left), time.Millisecond))
	}
	err := ctx.Err()
	if err == nil {
		d.limit = limit
		var c *nats.Conn
		if c, err = nats.Connect(urls, append(options, nats.Timeout(limit), nats.SetCustomDialer(d))...); err == nil {
			return c, nil
		}
		if failed := d.failed(); failed != nil {
			err = failed
		}
	}
	return nil, fmt.Errorf("%s: %w", urls, explained(err))
}

func explained(err error) error {
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) {
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
