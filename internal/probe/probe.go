// Package probe asks services whether they answer, as their users would: by a
// request or a connection from this host.
//
// Start at [Probe.Ask]. An answer is bounded in time and size, redirects are
// not followed, no proxy is used, and no secret of a URL is in the answer.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Kinds of a probe.
const (
	HTTP = "http" // a GET request, over TLS where the URL says https
	TCP  = "tcp"  // a connection, closed without a byte sent
)

const (
	maxHeader = 64 << 10 // bytes; the body is not read
	maxError  = 200      // runes
)

// Probe is one question to a service.
type Probe struct {
	Kind    string
	Address string        // a URL, or HOST:PORT for [TCP]
	Status  int           // the HTTP status that is right
	Within  time.Duration // the time for the whole answer
}

// Answer is what became of a probe.
type Answer struct {
	OK             bool
	Status         int // of HTTP; 0 where none came
	Latency        time.Duration
	Error          string    // why it is not OK; else empty
	CertificateEnd time.Time // of the server's TLS certificate, valid or not; zero where none was shown
}

// Target returns the address without what may be a secret: a URL's user,
// password and query.
func (p Probe) Target() string {
	if p.Kind == TCP {
		return p.Address
	}
	u, err := url.Parse(p.Address)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.Fragment = nil, ""
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	return u.String()
}

// Expected returns what a right answer is, in words.
func (p Probe) Expected() string {
	if p.Kind == TCP {
		return fmt.Sprintf("a connection within %s", p.Within)
	}
	return fmt.Sprintf("status %d within %s", p.Status, p.Within)
}

// Ask puts the question and waits for the answer, at most for Within.
func (p Probe) Ask(ctx context.Context) Answer {
	limited, cancel := context.WithTimeout(ctx, p.Within)
	defer cancel()
	begin := time.Now()
	a, err := p.ask(limited)
	a.Latency = time.Since(begin)
	switch {
	case err == nil:
		a.OK = true
	case a.Status != 0:
		a.Error = err.Error()
	case limited.Err() != nil:
		a.Error = fmt.Sprintf("no answer within %s", p.Within)
	default:
		a.Error = reason(err)
	}
	return a
}

func (p Probe) ask(ctx context.Context) (Answer, error) {
	if p.Kind == TCP {
		return Answer{}, connect(ctx, p.Address)
	}
	return p.get(ctx)
}

func connect(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (p Probe) get(ctx context.Context) (a Answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Address, nil)
	if err != nil {
		return a, errors.New("the URL cannot be used") // err has the URL, which may hold a password
	}
	request.Header.Set("User-Agent", "stackpolicy")
	if user := request.URL.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	transport := &http.Transport{
		Proxy: nil, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
	}
	response, err := transport.RoundTrip(request) // follows no redirect, as an http.Client would
	if err != nil {
		a.CertificateEnd = endOfRejected(err)
		return a, err
	}
	_ = response.Body.Close() // not read: the status is the answer
	a.Status, a.CertificateEnd = response.StatusCode, endOf(response.TLS)
	return a, p.judge(response.StatusCode)
}

func (p Probe) judge(status int) error {
	switch {
	case status == p.Status:
		return nil
	case status >= 300 && status < 400:
		return fmt.Errorf("status %d, a redirect, which is not followed", status)
	}
	return fmt.Errorf("status %d", status)
}

func endOf(state *tls.ConnectionState) time.Time {
	if state == nil {
		return time.Time{}
	}
	return endOfFirst(state.PeerCertificates)
}

// endOfRejected is for a certificate that was shown and not accepted: that it
// ended may be why.
func endOfRejected(err error) time.Time {
	var rejected *tls.CertificateVerificationError
	if !errors.As(err, &rejected) {
		return time.Time{}
	}
	return endOfFirst(rejected.UnverifiedCertificates)
}

func endOfFirst(certificates []*x509.Certificate) time.Time {
	if len(certificates) == 0 {
		return time.Time{}
	}
	return certificates[0].NotAfter.UTC()
}

// reason is why there was no answer, in one line. An answer that is not HTTP is
// not quoted: a service that echoes what it gets would put the query, which may
// be a secret, into it.
func reason(err error) string {
	var network *net.OpError
	var rejected *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network), errors.As(err, &rejected):
		return oneLine(err.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer"
	}
	return "the answer is not HTTP"
}

// oneLine bounds a text, and leaves out what is not printable: a certificate
// chooses part of it.
func oneLine(text string) string {
	printable := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(printable), " "))
	if len(runes) > maxError {
		return string(runes[:maxError-1]) + "…"
	}
	return string(runes)
}
