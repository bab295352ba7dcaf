package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stackpolicy/config"
)

const (
	maxAnswer = 4 << 20 // bytes of an answer that are read
	maxError  = 300     // bytes of an error, which may repeat the answer
)

// Client is for sinks. It follows no redirect, which could take a secret
// elsewhere, and proxies are those of the environment.
func Client() *http.Client {
	return &http.Client{
		Timeout:       perAlert,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is one call of a sink. What is in hidden never shows in an error.
type request struct {
	method, url string
	header      http.Header
	body        []byte
	hidden      []string
}

// authorize adds a bearer token.
func (r *request) authorize(s secrets, token *config.Secret) error {
	if token == nil {
		return nil
	}
	secret, err := s.read(*token)
	if err != nil {
		return err
	}
	r.header.Set("Authorization", "Bearer "+secret)
	r.hidden = append(r.hidden, secret)
	return nil
}

// do sends it, and takes any answer of 200 to 299 for success. It returns the
// beginning of the answer.
func (r request) do(ctx context.Context, client *http.Client) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, errors.New("the URL cannot be used") // err repeats it
	}
	req.Header = r.header
	req.Header.Set("User-Agent", "stackpolicy")
	answer, err := client.Do(req)
	if err != nil {
		return nil, r.conceal(withoutURL(err).Error())
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // the status is what counts, and it came
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, r.conceal(fmt.Sprintf("it answers %d: %s", answer.StatusCode, text))
	}
	return text, nil
}

// withoutURL is what went wrong with a request; the URL may be a secret.
func withoutURL(err error) error {
	var on *url.Error
	if errors.As(err, &on) {
		return on.Err
	}
	return err
}

// conceal makes an error, of one line, of a text that the other side may have
// had a hand in. It is cut after the secrets are out: half of one would stay.
func (r request) conceal(text string) error {
	for _, secret := range append(slices.Clone(r.hidden), r.url) {
		text = strings.ReplaceAll(text, secret, "(hidden)")
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	return errors.New(text)
}
