package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer = 4 << 20 // bytes of an answer that are read
	maxError  = 300     // bytes of an error, which may repeat the answer
)

// Timeout bounds one request.
const Timeout = 5 * time.Second

// Client returns the client for sinks. It follows no redirects, which could send a
// secret elsewhere. It uses the proxies of the environment.
func Client() *http.Client {
	return &http.Client{
		Timeout:       Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is one call of a sink. No error contains a text of hidden. If the URL is
// a secret, no error contains anything that the service sent: services repeat the
// path, in different encodings.
type request struct {
	method, url string
	secretURL   bool
	header      http.Header
	body        []byte
	hidden      []string
}

// authorize adds a bearer token; "" adds none.
func (r *request) authorize(token string) {
	if token == "" {
		return
	}
	r.header.Set("Authorization", "Bearer "+token)
	r.hidden = append(r.hidden, token)
}

// do sends the request and returns the beginning of the answer. A status outside
// 200 to 299 is an error.
func (r request) do(ctx context.Context, client *http.Client) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, errors.New("the URL cannot be used") // err contains the URL
	}
	req.Header = r.header
	req.Header.Set("User-Agent", "stackpolicy")
	answer, err := client.Do(req)
	if err != nil {
		return nil, r.failed(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // only the status decides, and it is known
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, r.refused(answer.StatusCode, text)
	}
	return text, nil
}

// failed returns the error for a request without an answer.
func (r request) failed(err error) error {
	var on *url.Error
	if errors.As(err, &on) {
		err = on.Err // without the URL
	}
	if r.secretURL && !isLocal(err) {
		return errors.New("the answer cannot be used; it is not shown, as the URL is a secret")
	}
	return r.conceal(err.Error())
}

// isLocal reports whether the error's text contains nothing that the service sent.
func isLocal(err error) bool {
	var certificate *tls.CertificateVerificationError
	var network net.Error // of connections, names and time limits
	return errors.As(err, &network) || errors.As(err, &certificate) ||
		errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (r request) refused(status int, text []byte) error {
	if r.secretURL {
		return fmt.Errorf("it answers %d %s; the rest is not shown, as the URL is a secret", status, http.StatusText(status))
	}
	return r.conceal(fmt.Sprintf("it answers %d: %s", status, text))
}

// conceal returns an error of one line, from a text that the service may have
// sent. It removes the secrets before it cuts the text: otherwise half a secret
// could stay.
func (r request) conceal(text string) error {
	for _, secret := range append(slices.Clone(r.hidden), r.url) {
		for _, form := range formsOf(secret) {
			text = strings.ReplaceAll(text, form, "(hidden)")
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	return errors.New(text)
}

// formsOf returns the forms in which services repeat a secret: unchanged, and as
// in a URL, JSON, HTML and base64.
func formsOf(secret string) []string {
	quoted := strings.Trim(strconv.Quote(secret), `"`)
	return []string{
		secret, url.PathEscape(secret), url.QueryEscape(secret), quoted, html.EscapeString(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
}
