package notify

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// says answers every request with a status and a body.
type says struct {
	status int
	body   []byte
}

func (s says) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Body: io.NopCloser(bytes.NewReader(s.body)), Header: http.Header{}}, nil
}

// FuzzAnswer: whatever a service answers, an error has one short line without the secrets.
func FuzzAnswer(f *testing.F) {
	f.Add(400, []byte(`{"error":"token `+token+` is wrong"}`))
	f.Add(200, []byte(`[{"labels":{"alertname":"StackpolicyFinding","severity":"page"},"startsAt":"2026-03-01T00:00:00Z"}]`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		client := &http.Client{Transport: says{200 + (status&0x7fffffff)%400, body}}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := request{method: method, url: "https://example.org/" + token, header: http.Header{}, hidden: []string{token}}
			if _, err := r.do(context.Background(), client); err != nil && (strings.Contains(err.Error(), token) || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > maxError+10) {
				t.Errorf("%q", err)
			}
		}
		m := toAlertmanager{config: Alertmanager{URL: "http://localhost"}, client: client, now: func() time.Time { return noon }}
		a := firing()
		a.Kind = KindResolved
		_ = m.Send(context.Background(), a)
	})
}
