package notify

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWhatAlertmanagerIsSent: it already has this finding as a page.
func TestWhatAlertmanagerIsTold(t *testing.T) {
	now := noon.Add(2 * time.Hour)
	ticket, changed, late, other := firing(), firing(), ended(KindHealed), ended(KindResolved)
	ticket.Severity, ticket.Kind = "ticket", KindChanged
	changed.Kind, changed.Outcome = KindChanged, "refused"
	late.Severity, late.Since = "ticket", now // the clock was set back
	other.Subject = "files.service"
	cases := map[string]struct {
		alert Alert
		want  []string
	}{
		"firing":              {firing(), []string{"page 12:00-15:00"}},
		"it became a ticket":  {ticket, []string{"page 12:00-14:00", "ticket 12:00-15:00"}},
		"it is a page still":  {changed, []string{"page 12:00-15:00"}},
		"resolved":            {ended(KindResolved), []string{"page 12:00-13:00"}},
		"healed as a ticket":  {late, []string{"page 13:00-13:00"}},
		"it has none of that": {other, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, requests := service(t, 200, has(t, firing()))
			m := toAlertmanager{Alertmanager{URL: s.URL, Selection: Selection{Repeat: 10 * time.Minute}}, secrets{}, Client(), func() time.Time { return now }}
			if err := m.Send(t.Context(), c.alert); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, spans(t, *requests)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// has returns Alertmanager's answer to the question which alerts it has.
func has(t *testing.T, a Alert) string {
	t.Helper()
	text, err := json.Marshal([]posted{postable(a, a.Severity, noon)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// spans returns severity, begin and end of the alerts that were posted.
func spans(t *testing.T, requests []taken) (list []string) {
	t.Helper()
	for _, r := range requests {
		if r.method != http.MethodPost {
			continue
		}
		var alerts []posted
		if err := json.Unmarshal([]byte(r.body), &alerts); err != nil {
			t.Fatal(err)
		}
		for _, p := range alerts {
			list = append(list, p.Labels["severity"]+" "+p.StartsAt.Format("15:04")+"-"+p.EndsAt.Format("15:04"))
		}
	}
	return list
}

func TestLabelsOfTheHost(t *testing.T) {
	a := firing()
	a.Subject, a.Case = "host", ""
	labels := postable(a, "page", noon).Labels
	want := map[string]string{"alertname": "StackpolicyFinding", "invariant": "stack_running", "subject": "host", "severity": "page", "host": "den", "user": "ada"}
	if d := cmp.Diff(want, labels); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestAlertmanagerAuthorization(t *testing.T) {
	s, got := service(t, 200, "")
	cases := map[string]struct {
		config Alertmanager
		want   string
	}{
		"none":     {Alertmanager{}, ""},
		"password": {Alertmanager{User: "ada", Password: secretFile(t, "pw")}, "Basic YWRhOnB3"},
		"token":    {Alertmanager{Token: secretFile(t, token)}, "Bearer " + token},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			*got = nil
			c.config.URL = s.URL + "/prefix/"
			m := toAlertmanager{c.config, secrets{}, Client(), func() time.Time { return noon }}
			if err := m.Send(t.Context(), firing()); err != nil {
				t.Fatal(err)
			}
			if r := (*got)[0]; r.authorization != c.want || r.path != "/prefix/api/v2/alerts" {
				t.Errorf("got %+v, want %q", r, c.want)
			}
		})
	}
}
