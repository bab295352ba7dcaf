package alerts

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
)

const token = "s3cr3t-token"

// taken is a request as a service got it.
type taken struct {
	method, path, authorization, kind, body string
}

// service answers with the status and text, and keeps what it was sent.
func service(t *testing.T, status int, text string) (*httptest.Server, *[]taken) {
	t.Helper()
	var got []taken
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, taken{r.Method, r.URL.String(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)})
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s, &got
}

func secretFile(t *testing.T, text string) *config.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &config.Secret{File: path}
}

func firing() Alert {
	return Alert{
		Kind: KindFiring, Title: "PAGE: stack_running on web.service (den)", Invariant: "stack_running", Subject: "web.service",
		Case: "exited", Severity: "page", Effect: "block", Message: `its container "web-app" is exited`,
		Steps: []string{"Look at its log", "Restart it"}, Runbook: "invariants/stack_running/stack_running.md",
		Since: noon, Host: "den", User: "ada", Fingerprint: "0123456789abcdef",
	}
}

func ended(kind string) Alert {
	a, at := firing(), noon.Add(time.Hour)
	a.Kind, a.ResolvedAt = kind, &at
	return a
}

func webhook(t *testing.T, c config.Webhook) toWebhook {
	t.Helper()
	if c.Method == "" {
		c.Method = "POST"
	}
	w, err := newWebhook(c, secrets{}, Client())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhook(t *testing.T) {
	s, got := service(t, 200, "ok")
	cases := map[string]struct {
		config config.Webhook
		want   taken
	}{
		"template": {config.Webhook{Body: `{{.Title | json}} {{join .Steps "; "}} {{upper .Severity}}{{if .Firing}}!{{end}} {{.Unit}}`,
			Headers: map[string]string{"Content-Type": "text/plain"}, Token: secretFile(t, token+"\n"), Method: "PUT"},
			taken{"PUT", "/hook?a=b", "Bearer " + token, "text/plain",
				`"PAGE: stack_running on web.service (den)" Look at its log; Restart it PAGE! web.service`}},
		"json keeps quotes": {config.Webhook{Body: `{"text": {{json .Message}}}`},
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
	w := webhook(t, config.Webhook{URL: config.URL{Secret: secretFile(t, s.URL+"/T0/B0/"+token)}})
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
		"too large":     {`{{printf "%300000d" 1}}`, "larger than 256 KiB"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Routes(config.Alerts{Webhooks: []config.Webhook{{Name: "x", Body: c.body}}}, Environment{})
			if err == nil || !strings.HasPrefix(err.Error(), "alerts.webhooks[0].body: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestErrorsGiveNoSecretAway: neither the token nor a URL, whoever says it.
func TestErrorsGiveNoSecretAway(t *testing.T) {
	echo := "no\n\x1b[31m " + token + strings.Repeat(" denied", 1000)
	refuses, _ := service(t, 403, echo)
	moved := httptest.NewServer(http.RedirectHandler("https://evil.example/"+token, http.StatusFound))
	t.Cleanup(moved.Close)
	gone, _ := service(t, 200, "")
	gone.Close()
	cases := map[string]struct {
		url  config.URL
		want string
	}{
		"it refuses":        {config.URL{Text: refuses.URL}, "it answers 403: no \x1b[31m (hidden) denied"},
		"it moved":          {config.URL{Text: moved.URL}, "it answers 302"},
		"it is gone":        {config.URL{Secret: secretFile(t, gone.URL+"/"+token)}, "connection refused"},
		"no URL":            {config.URL{Secret: secretFile(t, "http://%zz/"+token)}, "not a URL such as https://host/path"},
		"read on the way":   {config.URL{Secret: secretFile(t, "http://192.0.2.1/"+token)}, "over plain http"},
		"secret of 2 lines": {config.URL{Secret: secretFile(t, token+"\n"+token)}, "it is empty or more than one line"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := webhook(t, config.Webhook{URL: c.url, Token: secretFile(t, token)}).Send(t.Context(), firing())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
				t.Errorf("got %v, want %q and no secret", err, c.want)
			}
			if err != nil && (len(err.Error()) > 2*maxError || strings.Contains(err.Error(), "\n")) {
				t.Errorf("not one short line: %q", err)
			}
		})
	}
}

// TestASecretURLIsNotShown: whatever the other side makes of it, whole, in
// parts, or encoded.
func TestASecretURLIsNotShown(t *testing.T) {
	const path, query = "/services/T0/B0/s3cr3t-URL", "?key=qu3ry-part"
	answers := map[string]string{
		"as Express says it":  "HTTP/1.1 404 Not Found\r\n\r\nCannot POST /services/T0/B0/s3cr3t-URL",
		"one segment":         "HTTP/1.1 403 Forbidden\r\n\r\nno hook s3cr3t-URL",
		"the query":           "HTTP/1.1 403 Forbidden\r\n\r\nqu3ry-part is expired",
		"in a URL":            "HTTP/1.1 403 Forbidden\r\n\r\n%2Fservices%2FT0%2FB0%2Fs3cr3t%2DURL",
		"in capitals":         "HTTP/1.1 403 Forbidden\r\n\r\nS3CR3T-URL",
		"in the status":       "HTTP/1.1 404 no_s3cr3t-URL\r\n\r\n",
		"a redirect":          "HTTP/1.1 302 Found\r\nLocation: http://h/s3cr3t-URL\r\n\r\n",
		"no HTTP":             "s3cr3t-URL is not known here\r\n\r\n",
		"another version":     "HTTP/9.s3cr3t-URL 200\r\n\r\n",
		"a header that is no": "HTTP/1.1 200 OK\r\ns3cr3t-URL qu3ry-part\r\n\r\n",
		"nothing":             "",
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			hook := webhook(t, config.Webhook{Name: "chat", URL: config.URL{Secret: secretFile(t, answering(t, answer)+path+query)}})
			h := newHouse(t, Route{Sink: hook, Severity: "page", Repeat: time.Hour})
			notices := h.audit(down("page"))
			if len(notices) != 1 {
				t.Fatalf("got %v, want one notice", notices)
			}
			waiting, err := all(t.Context(), h.store, h.now)
			if err != nil || len(waiting) != 1 || waiting[0].Tries != 1 {
				t.Fatalf("%v waits, %v", waiting, err)
			}
			for _, text := range []string{notices[0].String(), waiting[0].LastError} {
				for _, part := range []string{"s3cr3t", "qu3ry", "services", "B0"} {
					if text == "" || strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
						t.Errorf("%q holds %s", text, part)
					}
				}
			}
		})
	}
}

// answering is a service that sends this text to everyone, HTTP or not.
func answering(t *testing.T, text string) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, text)
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestATokenIsNotShown: also not as services repeat what they were sent.
func TestATokenIsNotShown(t *testing.T) {
	const odd = `a"b/c+d e<f&g%h`
	for name, form := range map[string]string{
		"as it is": odd, "in a path": "a%22b%2Fc+d%20e%3Cf&g%25h", "in a query": "a%22b%2Fc%2Bd+e%3Cf%26g%25h",
		"in JSON": `a\"b/c+d e<f&g%h`, "in HTML": "a&#34;b/c+d e&lt;f&amp;g%h", "in base64": "YSJiL2MrZCBlPGYmZyVo",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := service(t, 403, "no access for "+form+".")
			err := webhook(t, config.Webhook{URL: config.URL{Text: s.URL}, Token: secretFile(t, odd)}).Send(t.Context(), firing())
			if want := "it answers 403: no access for (hidden)."; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := secrets{folder}
	cases := map[string]struct {
		secrets secrets
		from    config.Secret
		want    string
		err     string
	}{
		"file":            {s, config.Secret{File: write("a", token+"\n", 0o400)}, token, ""},
		"credential":      {s, config.Secret{Credential: "a"}, token, ""},
		"of a service":    {s, config.Secret{Credential: filepath.Base(write("acl", token, 0o440))}, token, ""},
		"no credentials":  {secrets{}, config.Secret{Credential: "a"}, "", "wants LoadCredential=a:PATH"},
		"open to a group": {s, config.Secret{File: write("g", token, 0o640)}, "", "others may read it (mode 0640); make it 0600"},
		"missing":         {s, config.Secret{File: folder + "/none"}, "", "no such file or directory"},
		"a folder":        {s, config.Secret{File: folder}, "", "not a regular file"},
		"empty":           {s, config.Secret{File: write("e", "\n", 0o600)}, "", "it is empty"},
		"large":           {s, config.Secret{File: write("l", strings.Repeat("x", maxSecret+1), 0o600)}, "", "larger than 16 KiB"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := c.secrets.read(c.from)
			if got != c.want || c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %q, %v; want %q, %q", got, err, c.want, c.err)
			}
		})
	}
}

func TestAlertmanagerAuthorization(t *testing.T) {
	s, got := service(t, 200, "")
	cases := map[string]struct {
		config config.Alertmanager
		want   string
	}{
		"none":     {config.Alertmanager{}, ""},
		"password": {config.Alertmanager{User: "ada", Password: secretFile(t, "pw")}, "Basic YWRhOnB3"},
		"token":    {config.Alertmanager{Token: secretFile(t, token)}, "Bearer " + token},
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
