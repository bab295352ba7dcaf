package alerts

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stackpolicy/config"
)

const alertName = "StackpolicyFinding"

// keepFiring is how long Alertmanager takes an alert for firing that it is not
// told of again: some audits may fail to come, and a program that died must not
// leave alerts behind for ever.
const keepFiring = time.Hour

// toAlertmanager tells an Alertmanager, by version 2 of its API.
type toAlertmanager struct {
	config  config.Alertmanager
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

// Send tells of an alert, and ends what it was or is no more.
func (m toAlertmanager) Send(ctx context.Context, a Alert) error {
	list, err := m.ends(ctx, a)
	if err != nil {
		return err
	}
	if a.Firing() {
		list = append(list, postable(a, a.Severity, m.now().Add(max(keepFiring, 4*m.config.Repeat))))
	}
	if len(list) == 0 {
		return nil // it has nothing of it
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
		return r.authorize(m.secrets, m.config.Token)
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

// ends is what Alertmanager has of the finding and should no longer fire. It
// tells alerts apart by their labels, the severity among them, and sends its
// receivers the end also of what never began: so it is asked what it has.
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
		at = earlier(*a.ResolvedAt, at)
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

// postable begins no later than it ends, else Alertmanager refuses it: the
// clock may have been set back.
func postable(a Alert, severity string, ends time.Time) posted {
	return posted{
		Labels: present(map[string]string{
			"alertname": alertName, "invariant": a.Invariant, "subject": a.Subject, "unit": a.Unit(),
			"case": a.Case, "severity": severity, "host": a.Host, "user": a.User,
		}),
		Annotations: present(map[string]string{
			"summary": a.Title, "description": a.Message, "steps": strings.Join(a.Steps, "\n"), "runbook": a.Runbook,
		}),
		StartsAt: earlier(a.Since, ends).UTC(), EndsAt: ends.UTC(),
	}
}

// present drops what is empty, which Alertmanager takes for not there.
func present(texts map[string]string) map[string]string {
	for name, text := range texts {
		if text == "" {
			delete(texts, name)
		}
	}
	return texts
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
