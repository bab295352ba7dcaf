package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/lazyregexp"
)

// What a sink is told of at least. Page is told to all of them, and nothing
// else to those that ask for pages.
const (
	SeverityPage   = "page"
	SeverityTicket = "ticket"
	SeverityNone   = "none" // of the journal: nothing
)

// How long until a sink is told again of what stands, where the configuration
// says nothing. Alertmanager forgets what it is not told again and repeats by
// itself, so it is told at every audit.
const (
	defaultRepeat             = 4 * time.Hour
	defaultRepeatJournal      = 24 * time.Hour
	defaultRepeatAlertmanager = 10 * time.Minute
	minRepeat                 = time.Minute
)

// Alerts says who is told of findings. Without anything it is the journal
// alone.
type Alerts struct {
	Journal      *Route        `yaml:"journal"`  // default: tickets and pages, again after a day
	Textfile     string        `yaml:"textfile"` // for node_exporter's textfile collector; "" is none
	Alertmanager *Alertmanager `yaml:"alertmanager"`
	Webhooks     []Webhook     `yaml:"webhooks"`
}

// Route says what a sink is told of.
type Route struct {
	Severity string        `yaml:"severity"` // page, or ticket for both
	Repeat   time.Duration `yaml:"repeat"`   // until it is told again of what stands
}

// Alertmanager is told by version 2 of its API.
type Alertmanager struct {
	URL      string  `yaml:"url"`      // without /api/v2/alerts
	User     string  `yaml:"user"`     // for basic authentication, with Password
	Password *Secret `yaml:"password"` //
	Token    *Secret `yaml:"token"`    // sent as a bearer token
	Route    `yaml:",inline"`
}

// Webhook is any service that takes a request for each alert.
type Webhook struct {
	Name    string            `yaml:"name"` // what is still to be sent is kept under it
	URL     URL               `yaml:"url"`
	Method  string            `yaml:"method"` // default POST; or PUT
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`  // a template; default: the alert as JSON
	Token   *Secret           `yaml:"token"` // sent as a bearer token
	Route   `yaml:",inline"`
}

// JournalRoute is what the journal is told of, with the defaults. Its Severity
// is [SeverityNone] where it is told nothing.
func (a Alerts) JournalRoute() Route {
	r := Route{}
	if a.Journal != nil {
		r = *a.Journal
	}
	return r.withDefaults(SeverityTicket, defaultRepeatJournal)
}

func (a *Alerts) setDefaults() {
	if m := a.Alertmanager; m != nil {
		m.Route = m.withDefaults(SeverityTicket, defaultRepeatAlertmanager)
	}
	for i := range a.Webhooks {
		w := &a.Webhooks[i]
		w.Method = cmp.Or(w.Method, "POST")
		w.Route = w.withDefaults(SeverityPage, defaultRepeat)
	}
}

func (r Route) withDefaults(severity string, repeat time.Duration) Route {
	return Route{Severity: cmp.Or(r.Severity, severity), Repeat: cmp.Or(r.Repeat, repeat)}
}

func (a Alerts) check() (errs []error) {
	journal := a.JournalRoute()
	errs = append(errs, under("alerts.journal", journal.check(SeverityPage, SeverityTicket, SeverityNone))...)
	if t := a.Textfile; t != "" && (!filepath.IsAbs(t) || !strings.HasSuffix(t, ".prom") || strings.ContainsRune(t, 0)) {
		errs = append(errs, fmt.Errorf("alerts.textfile: %q is no absolute path of a file NAME.prom; node_exporter reads no others", t))
	}
	if a.Alertmanager != nil {
		errs = append(errs, under("alerts.alertmanager", a.Alertmanager.check())...)
	}
	names := map[string]bool{}
	for i, w := range a.Webhooks {
		errs = append(errs, under(fmt.Sprintf("alerts.webhooks[%d]", i), w.check(names))...)
		names[w.Name] = true
	}
	return errs
}

func (r Route) check(severities ...string) (errs []error) {
	if !slices.Contains(severities, r.Severity) {
		errs = append(errs, fmt.Errorf(".severity: %q is none of %s", r.Severity, strings.Join(severities, ", ")))
	}
	if r.Repeat < minRepeat {
		errs = append(errs, fmt.Errorf(".repeat: %s is shorter than %s", r.Repeat, minRepeat))
	}
	return errs
}

func (m Alertmanager) check() []error {
	errs := m.Route.check(SeverityPage, SeverityTicket)
	if (m.User == "") != (m.Password == nil) {
		errs = append(errs, errors.New(".user: user and password go together"))
	}
	if m.Password != nil && m.Token != nil {
		errs = append(errs, errors.New(".token: give a password or a token, not both"))
	}
	if err := CheckURL(m.URL, m.Password != nil || m.Token != nil); err != nil {
		errs = append(errs, fmt.Errorf(".url: %w", err))
	}
	return append(errs, append(m.Password.check(".password"), m.Token.check(".token")...)...)
}

var (
	sinkName   = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	headerName = lazyregexp.New(`^[A-Za-z0-9-]+$`)
)

func (w Webhook) check(names map[string]bool) []error {
	errs := w.Route.check(SeverityPage, SeverityTicket)
	switch {
	case !sinkName.Get().MatchString(w.Name):
		errs = append(errs, fmt.Errorf(".name: %q is no name of at most 64 letters, digits, and any of _ . -", w.Name))
	case names[w.Name]:
		errs = append(errs, fmt.Errorf(".name: there is another webhook %s", w.Name))
	}
	if w.Method != "POST" && w.Method != "PUT" {
		errs = append(errs, fmt.Errorf(".method: %q is neither POST nor PUT", w.Method))
	}
	errs = append(errs, append(w.URL.check(w.Token != nil), w.Token.check(".token")...)...)
	return append(errs, checkHeaders(w.Headers)...)
}

func checkHeaders(headers map[string]string) (errs []error) {
	for name, value := range headers {
		switch {
		case !headerName.Get().MatchString(name):
			errs = append(errs, fmt.Errorf(".headers: %q is no name of a header", name))
		case strings.EqualFold(name, "Authorization"):
			errs = append(errs, errors.New(".headers: Authorization is a secret; name its file under token"))
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			errs = append(errs, fmt.Errorf(".headers.%s: the value holds a control character", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// CheckURL says what is wrong with the URL of a sink. No error repeats the URL:
// it may be a secret. A secret goes over plain http to this machine alone.
func CheckURL(text string, secret bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return errors.New("not a URL such as https://host/path")
	case u.User != nil:
		return errors.New("it holds a user or password; name the secret's file under password or token")
	case secret && u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("a secret over plain http can be read on the way; use https")
	}
	return nil
}

// under puts the key in front of what is wrong below it.
func under(key string, errs []error) []error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s%w", key, err)
	}
	return errs
}
