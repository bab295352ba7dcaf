package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/template"
	"time"

	"stackpolicy/internal/bounded"
	"stackpolicy/internal/lazyregexp"
)

// Webhooks are services that get one request for each alert.
type Webhooks []Webhook

// Webhook is the configuration of one service.
type Webhook struct {
	Name      string            `yaml:"name"` // alerts that wait are stored under this name
	URL       URL               `yaml:"url"`
	Method    string            `yaml:"method"` // default POST; or PUT
	Headers   map[string]string `yaml:"headers"`
	Body      string            `yaml:"body"`  // a template; default: the alert as JSON
	Token     *Secret           `yaml:"token"` // sent as a bearer token
	Selection `yaml:",inline"`
}

func (w Webhook) selection() Selection { return w.or(SeverityPage, 4*time.Hour) }

func (w Webhook) method() string { return cmp.Or(w.Method, http.MethodPost) }

func (list Webhooks) check() (errs []error) {
	names := map[string]bool{}
	for i, w := range list {
		errs = append(errs, under(fmt.Sprintf("[%d]", i), w.check(names))...)
		names[w.Name] = true
	}
	return errs
}

func (list Webhooks) routes(env Environment) (routes []Route, err error) {
	var errs []error
	for i, w := range list {
		sink, err := newWebhook(w, secrets{env.Credentials}, env.Client)
		if err != nil {
			errs = append(errs, fmt.Errorf("[%d].body: %w", i, err))
		}
		routes = append(routes, Route{Sink: sink, Selection: w.selection(), Network: true})
	}
	return routes, errors.Join(errs...)
}

var (
	sinkName   = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	headerName = lazyregexp.New(`^[A-Za-z0-9-]+$`)
)

func (w Webhook) check(names map[string]bool) []error {
	errs := w.selection().checkOneOf(SeverityPage, SeverityTicket)
	switch {
	case !sinkName.Get().MatchString(w.Name):
		errs = append(errs, fmt.Errorf(".name: %q is not a name: want at most 64 letters, digits, or _ . -", w.Name))
	case names[w.Name]:
		errs = append(errs, fmt.Errorf(".name: there is another webhook %s", w.Name))
	}
	if m := w.method(); m != http.MethodPost && m != http.MethodPut {
		errs = append(errs, fmt.Errorf(".method: %q is neither POST nor PUT", w.Method))
	}
	errs = append(errs, append(w.URL.check(w.Token != nil), w.Token.check(".token")...)...)
	return append(errs, checkHeaders(w.Headers)...)
}

func checkHeaders(headers map[string]string) (errs []error) {
	for name, value := range headers {
		switch {
		case !headerName.Get().MatchString(name):
			errs = append(errs, fmt.Errorf(".headers: %q is not a name of a header", name))
		case strings.EqualFold(name, "Authorization"):
			errs = append(errs, errors.New(".headers: Authorization is a secret; name its file under token"))
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			errs = append(errs, fmt.Errorf(".headers.%s: the value holds a control character", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// maxBody bounds the text that a template makes from an alert.
const maxBody = 256 << 10

// defaultBody is the whole alert.
const defaultBody = "{{json .}}\n"

// functions returns the functions of a body's template, besides those of
// text/template.
func functions() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) { // as a JSON value: a text gets quotes
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

// toWebhook sends one request for each alert.
type toWebhook struct {
	config  Webhook
	body    *template.Template
	secrets secrets
	client  *http.Client
}

// newWebhook refuses a template that does not work for an alert.
func newWebhook(c Webhook, s secrets, client *http.Client) (toWebhook, error) {
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

// Check reads the secrets.
func (w toWebhook) Check() error {
	if err := w.address(&request{}); err != nil {
		return err
	}
	_, err := w.secrets.readIf(w.config.Token)
	return err
}

func (w toWebhook) Send(ctx context.Context, a Alert) error {
	body, err := w.render(a)
	if err != nil {
		return err
	}
	r := request{method: w.config.method(), body: body, header: http.Header{"Content-Type": {"application/json"}}}
	for name, value := range w.config.Headers {
		r.header.Set(name, value)
	}
	if err := w.address(&r); err != nil {
		return err
	}
	token, err := w.secrets.readIf(w.config.Token)
	if err != nil {
		return err
	}
	r.authorize(token)
	_, err = r.do(ctx, w.client)
	return err
}

// address sets the request's URL, which may be a secret.
func (w toWebhook) address(r *request) (err error) {
	r.url, r.secretURL = w.config.URL.Text, w.config.URL.Secret != nil
	if !r.secretURL {
		return nil
	}
	if r.url, err = w.secrets.read(*w.config.URL.Secret); err != nil {
		return err
	}
	if err := checkURL(r.url, true); err != nil {
		return fmt.Errorf("the URL that it is sent to: %w", err)
	}
	return nil
}

func (w toWebhook) render(a Alert) ([]byte, error) {
	out := &bounded.Buffer{Limit: maxBody}
	if err := w.body.Execute(out, a); err != nil {
		return nil, fmt.Errorf("make the body: %w", err)
	}
	return out.Bytes(), nil
}
