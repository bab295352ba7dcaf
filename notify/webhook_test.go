package notify

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWebhook(t *testing.T) {
	s, got := service(t, 200, "ok")
	cases := map[string]struct {
		config Webhook
		want   taken
	}{
		"template": {Webhook{Body: `{{.Title | json}} {{join .Steps "; "}} {{upper .Severity}}{{if .Firing}}!{{end}} {{.Unit}}`,
			Headers: map[string]string{"Content-Type": "text/plain"}, Token: secretFile(t, token+"\n"), Method: "PUT"},
			taken{"PUT", "/hook?a=b", "Bearer " + token, "text/plain",
				`"PAGE: stack_running on web.service (den)" Look at its log; Restart it PAGE! web.service`}},
		"json keeps quotes": {Webhook{Body: `{"text": {{json .Message}}}`},
			taken{"POST", "/hook?a=b", "", "application/json", `{"text": "its container \"web-app\" is exited"}`}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			*got = nil
			c.config.URL.Text = s.URL + "/hook?a=b"
			if err := webhook(t, c.config).Send(t.Context(), firing()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]taken{c.want}, *got, cmp.AllowUnexported(taken{})); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestTheDefaultBodyIsTheAlert(t *testing.T) {
	s, got := service(t, 204, "")
	w := webhook(t, Webhook{URL: URL{Secret: secretFile(t, s.URL+"/T0/B0/"+token)}})
	want := ended(KindResolved)
	if err := w.Send(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	var sent Alert
	if err := json.Unmarshal([]byte((*got)[0].body), &sent); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, sent); d != "" || (*got)[0].path != "/T0/B0/"+token {
		t.Errorf("sent to %s, -want +got\n%s", (*got)[0].path, d)
	}
}

func TestTemplatesThatDoNotWork(t *testing.T) {
	cases := map[string]struct{ body, want string }{
		"no template":   {"{{.Title", "unclosed action"},
		"no such key":   {"{{.Titel}}", "can't evaluate field Titel"},
		"no function":   {"{{shell .Title}}", `function "shell" not defined`},
		"no first step": {"{{index .Steps 0}}", "index out of range"},
		"too large":     {`{{printf "%300000d" 1}}`, "longer than 262144 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Config{Webhooks: Webhooks{{Name: "x", Body: c.body}}}.Routes(Environment{})
			if err == nil || !strings.HasPrefix(err.Error(), "alerts.webhooks[0].body: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
