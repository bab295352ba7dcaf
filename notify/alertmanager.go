package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stackpolicy/internal/times"
)

const alertName = "StackpolicyFinding"

// keepFiring is how long Alertmanager keeps an alert firing without being sent it
// again. It allows for some missed audits, but if the program died its alerts must
// end.
const keepFiring = time.Hour

// Alertmanager is the configuration of an Alertmanager, version 2 of its API.
type Alertmanager struct {
	URL       string  `yaml:"url"`  // without /api/v2/alerts
	User      string  `yaml:"user"` // for basic authentication, with Password
	Password  *Secret `yaml:"password"`
	Token     *Secret `yaml:"token"` // sent as a bearer token
	Selection `yaml:",inline"`
}

// selection repeats often: Alertmanager forgets alerts that are not sent again,
// and decides from its own configuration when to notify.
func (m *Alertmanager) selection() Selection { return m.or(SeverityTicket, 10*time.Minute) }

func (m *Alertmanager) check() []error {
	if m == nil {
		return nil
	}
	errs := m.selection().checkOneOf(SeverityPage, SeverityTicket)
	if (m.User == "") != (m.Password == nil) {
		errs = append(errs, errors.New(".user: user and password go together"))
	}
	if m.Password != nil && m.Token != nil {
		errs = append(errs, errors.New(".token: give a password or a token, not both"))
	}
	if err := checkURL(m.URL, m.Password != nil || m.Token != nil); err != nil {
		errs = append(errs, fmt.Errorf(".url: %w", err))
	}
	return append(errs, append(m.Password.check(".password"), m.Token.check(".token")...)...)
}

func (m *Alertmanager) routes(env Environment) ([]Route, error) {
	if m == nil {
		return nil, nil
	}
	return []Route{{Sink: toAlertmanager{*m, secrets{env.Credentials}, env.Client, env.Clock}, Selection: m.selection(), Network: true}}, nil
}

// toAlertmanager posts alerts to an Alertmanager.
type toAlertmanager struct {
	config  Alertmanager
	secrets secrets
	client  *http.Client
	now     func() time.Time
}

// posted is what the API calls a postableAlert.
type posted struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

func (toAlertmanager) Name() string { return "alertmanager" }

// Check reads the secrets.
func (m toAlertmanager) Check() error { return m.authorize(&request{header: http.Header{}}) }

// Send posts an alert, and ends those that it replaces.
func (m toAlertmanager) Send(ctx context.Context, a Alert) error {
	list, err := m.ends(ctx, a)
	if err != nil {
		return err
	}
	if a.Firing() {
		list = append(list, postable(a, a.Severity, m.now().Add(max(keepFiring, 4*m.config.selection().Repeat))))
	}
	if len(list) == 0 {
		return nil // Alertmanager never had the alert
	}
	body, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode the alert: %w", err)
	}
	_, err = m.call(ctx, http.MethodPost, "", body)
	return err
}

func (m toAlertmanager) call(ctx context.Context, method, query string, body []byte) ([]byte, error) {
	r := request{
		method: method, url: strings.TrimRight(m.config.URL, "/") + "/api/v2/alerts" + query, body: body,
		header: http.Header{"Content-Type": {"application/json"}},
	}
	if err := m.authorize(&r); err != nil {
		return nil, err
	}
	return r.do(ctx, m.client)
}

func (m toAlertmanager) authorize(r *request) error {
	if m.config.Password == nil {
		token, err := m.secrets.readIf(m.config.Token)
		r.authorize(token)
		return err
	}
	password, err := m.secrets.read(*m.config.Password)
	if err != nil {
		return err
	}
	pair := base64.StdEncoding.EncodeToString([]byte(m.config.User + ":" + password))
	r.header.Set("Authorization", "Basic "+pair)
	r.hidden = append(r.hidden, password, pair)
	return nil
}

// ends returns the alerts of the finding that Alertmanager has and that should
// no longer fire. Alertmanager identifies alerts by their labels, which include
// the severity. It also notifies its receivers when an alert ends that it never
// had, so ends asks first which alerts it has.
func (m toAlertmanager) ends(ctx context.Context, a Alert) ([]posted, error) {
	if a.Kind == KindFiring || a.Kind == KindRepeat {
		return nil, nil
	}
	query := url.Values{"filter": {`alertname="` + alertName + `"`, fmt.Sprintf("invariant=%q", a.Invariant)}}
	answer, err := m.call(ctx, http.MethodGet, "?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	var known []posted
	if err := json.Unmarshal(answer, &known); err != nil {
		return nil, fmt.Errorf("decode which alerts it has: %w", err)
	}
	at := m.now()
	if a.ResolvedAt != nil {
		at = times.Earlier(*a.ResolvedAt, at)
	}
	var list []posted
	for _, k := range known {
		severity := k.Labels["severity"]
		over := !a.Firing() || severity != a.Severity
		if was := postable(a, severity, at); over && maps.Equal(was.Labels, k.Labels) {
			list = append(list, was)
		}
	}
	return list, nil
}

// postable makes an alert that begins no later than it ends, even if the clock
// was set back: Alertmanager refuses others.
func postable(a Alert, severity string, ends time.Time) posted {
	return posted{
		Labels: present(map[string]string{
			"alertname": alertName, "invariant": a.Invariant, "subject": a.Subject, "unit": a.Unit(),
			"case": a.Case, "severity": severity, "host": a.Host, "user": a.User,
		}),
		Annotations: present(map[string]string{
			"summary": a.Title, "description": a.Message, "steps": strings.Join(a.Steps, "\n"), "runbook": a.Runbook,
		}),
		StartsAt: times.Earlier(a.Since, ends).UTC(), EndsAt: ends.UTC(),
	}
}

// present removes empty labels, which Alertmanager treats as absent.
func present(texts map[string]string) map[string]string {
	for name, text := range texts {
		if text == "" {
			delete(texts, name)
		}
	}
	return texts
}
