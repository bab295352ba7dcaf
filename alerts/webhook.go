package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/template"
	"time"

	"stackpolicy/config"
)

// maxBody bounds what a template makes of an alert.
const maxBody = 256 << 10

// defaultBody is the whole alert.
const defaultBody = "{{json .}}\n"

// functions of a body's template besides text/template's own.
func functions() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) { // a JSON value; a text with its quotes
			var out bytes.Buffer
			e := json.NewEncoder(&out)
			e.SetEscapeHTML(false)
			err := e.Encode(v)
			return strings.TrimSuffix(out.String(), "\n"), err
		},
		"join":  func(list []string, between string) string { return strings.Join(list, between) },
		"upper": strings.ToUpper,
	}
}

// toWebhook makes a request of each alert.
type toWebhook struct {
	config  config.Webhook
	body    *template.Template
	secrets secrets
	client  *http.Client
}

// newWebhook refuses a template that does not work for an alert.
func newWebhook(c config.Webhook, s secrets, client *http.Client) (toWebhook, error) {
	text := c.Body
	if text == "" {
		text = defaultBody
	}
	body, err := template.New("body").Funcs(functions()).Option("missingkey=error").Parse(text)
	w := toWebhook{config: c, body: body, secrets: s, client: client}
	if err == nil {
		_, err = w.render(Alert{Kind: KindResolved, Steps: []string{"one", "two"}, ResolvedAt: &time.Time{}})
	}
	if err == nil {
		_, err = w.render(Alert{Kind: KindFiring, Steps: []string{}})
	}
	return w, err
}

func (w toWebhook) Name() string { return "webhook:" + w.config.Name }

func (w toWebhook) Send(ctx context.Context, a Alert) error {
	body, err := w.render(a)
	if err != nil {
		return err
	}
	r := request{method: w.config.Method, body: body, header: http.Header{"Content-Type": {"application/json"}}}
	for name, value := range w.config.Headers {
		r.header.Set(name, value)
	}
	if err := w.address(&r); err != nil {
		return err
	}
	if err := r.authorize(w.secrets, w.config.Token); err != nil {
		return err
	}
	_, err = r.do(ctx, w.client)
	return err
}

// address reads where to, which may itself be a secret.
func (w toWebhook) address(r *request) (err error) {
	r.url, r.secretURL = w.config.URL.Text, w.config.URL.Secret != nil
	if !r.secretURL {
		return nil
	}
	if r.url, err = w.secrets.read(*w.config.URL.Secret); err != nil {
		return err
	}
	if err := config.CheckURL(r.url, true); err != nil {
		return fmt.Errorf("the URL that it is sent to: %w", err)
	}
	return nil
}

func (w toWebhook) render(a Alert) ([]byte, error) {
	out := &limited{left: maxBody}
	if err := w.body.Execute(out, a); err != nil {
		return nil, fmt.Errorf("make the body: %w", err)
	}
	return out.text.Bytes(), nil
}

// limited is a buffer that takes no more than what is left.
type limited struct {
	text bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("it is larger than 256 KiB")
	}
	return l.text.Write(p)
}
