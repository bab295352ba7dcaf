package notify

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/internal/strictyaml"
)

// parse reads the section as config.Read does.
func parse(content string) (Config, error) {
	var file struct {
		Alerts Config `yaml:"alerts"`
	}
	if _, err := strictyaml.Decode([]byte(content), &file); err != nil {
		return Config{}, err
	}
	return file.Alerts, errors.Join(file.Alerts.Check()...)
}

func TestConfig(t *testing.T) {
	const whole = `
alerts:
  journal: {severity: page, repeat: 48h}
  textfile: /var/lib/prometheus/node-exporter/stackpolicy.prom
  alertmanager: {url: "https://alerts.example", user: ada, password: {file: /run/pw}, severity: page, repeat: 5m}
  webhooks:
    - name: ntfy
      url: https://ntfy.sh
      method: PUT
      headers: {Content-Type: text/plain}
      body: "{{.Title}}"
      token: {credential: ntfy}
      severity: ticket
      repeat: 1h
    - {name: chat, url: {file: /run/chat-url}}
`
	got, err := parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Journal:  Journal{Selection{"page", 48 * time.Hour}},
		Textfile: "/var/lib/prometheus/node-exporter/stackpolicy.prom",
		Alertmanager: &Alertmanager{
			URL: "https://alerts.example", User: "ada", Password: &Secret{File: "/run/pw"}, Selection: Selection{"page", 5 * time.Minute},
		},
		Webhooks: Webhooks{
			{
				Name: "ntfy", URL: URL{Text: "https://ntfy.sh"}, Method: "PUT", Headers: map[string]string{"Content-Type": "text/plain"},
				Body: "{{.Title}}", Token: &Secret{Credential: "ntfy"}, Selection: Selection{"ticket", time.Hour},
			},
			{Name: "chat", URL: URL{Secret: &Secret{File: "/run/chat-url"}}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestDefaults(t *testing.T) {
	c, err := parse("alerts: {alertmanager: {url: 'http://[::1]:9093'}, webhooks: [{name: chat, url: 'http://[::1]/'}]}")
	if err != nil {
		t.Fatal(err)
	}
	routes, err := c.Routes(Environment{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Selection{{"ticket", 24 * time.Hour}, {"ticket", 10 * time.Minute}, {"page", 4 * time.Hour}}
	for i, r := range routes {
		if r.Selection != want[i] {
			t.Errorf("%s: got %v, want %v", r.Name(), r.Selection, want[i])
		}
	}
	if len(routes) != len(want) {
		t.Errorf("got %d routes, want %d", len(routes), len(want))
	}
}

// TestEverySinkHasARow: a field of Config without a row would be neither checked
// nor used.
func TestEverySinkHasARow(t *testing.T) {
	of := reflect.TypeFor[Config]()
	rows := Config{}.rows()
	if len(rows) != of.NumField() {
		t.Fatalf("%d rows for %d fields", len(rows), of.NumField())
	}
	for i, r := range rows {
		if key := of.Field(i).Tag.Get("yaml"); r.key != key || reflect.TypeOf(r.settings) != of.Field(i).Type {
			t.Errorf("row %d is %s, want %s", i, r.key, key)
		}
	}
}

func TestConfigsThatAreRefused(t *testing.T) {
	cases := []struct{ name, content, err string }{
		{"unknown key", "alerts:\n  jurnal: {}\n", `line 2: unknown key "jurnal"; did you mean journal? known: journal, textfile, alertmanager, webhooks`},
		{"unknown key of the journal", "alerts:\n  journal: {level: page}\n", `line 2: unknown key "level"; known: severity, repeat`},
		{"unknown key of alertmanager", "alerts:\n  alertmanager: {uri: x}\n",
			`line 2: unknown key "uri"; did you mean url? known: url, user, password, token, severity, repeat`},
		{"unknown key of a webhook", "alerts:\n  webhooks: [{uri: x}]\n",
			`line 2: unknown key "uri"; did you mean url? known: name, url, method, headers, body, token, severity, repeat`},
		{"unknown key of a secret", "alerts:\n  webhooks: [{token: {path: x}}]\n", `line 2: unknown key "path"; known: file, credential`},
		{"severity", "alerts: {journal: {severity: warning}}", `alerts.journal.severity: "warning" is not one of page, ticket, none`},
		{"repeat", "alerts: {journal: {repeat: 5s}}", "alerts.journal.repeat: 5s is shorter than 1m0s"},
		{"relative textfile", "alerts: {textfile: x.prom}", `alerts.textfile: "x.prom" is not an absolute path of a file NAME.prom; node_exporter reads no others`},
		{"textfile of another name", "alerts: {textfile: /x.txt}", `alerts.textfile: "/x.txt" is not an absolute path of a file NAME.prom; node_exporter reads no others`},
		{"no URL", "alerts: {alertmanager: {}}", "alerts.alertmanager.url: not a URL such as https://host/path"},
		{"scheme", "alerts: {alertmanager: {url: 'ftp://x'}}", "alerts.alertmanager.url: not a URL such as https://host/path"},
		{"password in the URL", "alerts: {alertmanager: {url: 'https://a:s3cr3t@x'}}",
			"alerts.alertmanager.url: it holds a user or password; name the secret's file under password or token"},
		{"secret over http", "alerts: {alertmanager: {url: 'http://x', token: {file: /t}}}",
			"alerts.alertmanager.url: a secret over plain http can be read on the way; use https"},
		{"user alone", "alerts: {alertmanager: {url: 'https://x', user: a}}", "alerts.alertmanager.user: user and password go together"},
		{"password and token", "alerts: {alertmanager: {url: 'https://x', user: a, password: {file: /p}, token: {file: /t}}}",
			"alerts.alertmanager.token: give a password or a token, not both"},
		{"two sources", "alerts: {webhooks: [{name: a, url: 'https://x', token: {file: /t, credential: t}}]}",
			"alerts.webhooks[0].token: name one of file and credential"},
		{"relative secret", "alerts: {webhooks: [{name: a, url: {file: t}}]}", `alerts.webhooks[0].url.file: "t" is not an absolute path`},
		{"credential", "alerts: {webhooks: [{name: a, url: 'https://x', token: {credential: ../t}}]}",
			`alerts.webhooks[0].token.credential: "../t" is not a name of a credential`},
		{"name", "alerts: {webhooks: [{name: 'a b', url: 'https://x'}]}",
			`alerts.webhooks[0].name: "a b" is not a name: want at most 64 letters, digits, or _ . -`},
		{"same name", "alerts: {webhooks: [{name: a, url: 'https://x'}, {name: a, url: 'https://x'}]}", "alerts.webhooks[1].name: there is another webhook a"},
		{"method", "alerts: {webhooks: [{name: a, url: 'https://x', method: GET}]}", `alerts.webhooks[0].method: "GET" is neither POST nor PUT`},
		{"headers", "alerts: {webhooks: [{name: a, url: 'https://x', headers: {authorization: s3cr3t, 'a b': x, X-Y: \"a\\nb\"}}]}",
			"alerts.webhooks[0].headers.X-Y: the value holds a control character\n" +
				`alerts.webhooks[0].headers: "a b" is not a name of a header` + "\n" +
				"alerts.webhooks[0].headers: Authorization is a secret; name its file under token"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.content)
			if err == nil || err.Error() != c.err {
				t.Errorf("got\n%v\nwant\n%s", err, c.err)
			}
		})
	}
}

// TestASecretInPlaceOfItsNameIsNotRepeated: the error goes to a log.
func TestASecretInPlaceOfItsNameIsNotRepeated(t *testing.T) {
	for _, content := range []string{
		"alerts: {alertmanager: {url: 'https://x', token: s3cr3t}}",
		"alerts: {webhooks: [{name: a, url: 'https://x', token: s3cr3t}]}",
		"alerts: {webhooks: [{name: a, url: 'https://x', token: [s3cr3t]}]}",
		"alerts: {webhooks: [{name: a, url: 'http://192.0.2.1/s3cr3t', token: {file: /t}}]}",
		"alerts: {webhooks: [{name: a, url: 's3cr3t'}]}",
	} {
		if _, err := parse(content); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got %v", content, err)
		}
	}
}

// TestPathOfAgenix: a secret may be named as agenix's Home Manager module names it.
func TestPathOfAgenix(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	c, err := parse(`alerts: {webhooks: [{name: a, url: {file: "${XDG_RUNTIME_DIR}/agenix/url"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Webhooks[0].URL.Secret.File; got != "/run/user/7/agenix/url" {
		t.Errorf("got %q", got)
	}
}
