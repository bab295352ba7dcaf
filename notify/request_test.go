package notify

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// errDown is the error of a sink that cannot be reached.
var errDown = errors.New("connection refused")

const token = "s3cr3t-token"

// taken is a request that a service received.
type taken struct {
	method, path, authorization, kind, body string
}

// service answers with the status and text, and keeps the requests.
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

func secretFile(t *testing.T, text string) *Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Secret{File: path}
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

func webhook(t *testing.T, c Webhook) toWebhook {
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

// TestErrorsGiveNoSecretAway: an error contains neither the token nor a secret URL.
func TestErrorsGiveNoSecretAway(t *testing.T) {
	echo := "no\n\x1b[31m " + token + strings.Repeat(" denied", 1000)
	refuses, _ := service(t, 403, echo)
	moved := httptest.NewServer(http.RedirectHandler("https://evil.example/"+token, http.StatusFound))
	t.Cleanup(moved.Close)
	gone, _ := service(t, 200, "")
	gone.Close()
	cases := map[string]struct {
		url  URL
		want string
	}{
		"it refuses":        {URL{Text: refuses.URL}, "it answers 403: no \x1b[31m (hidden) denied"},
		"it moved":          {URL{Text: moved.URL}, "it answers 302"},
		"it is gone":        {URL{Secret: secretFile(t, gone.URL+"/"+token)}, "connection refused"},
		"no URL":            {URL{Secret: secretFile(t, "http://%zz/"+token)}, "not a URL such as https://host/path"},
		"read on the way":   {URL{Secret: secretFile(t, "http://192.0.2.1/"+token)}, "over plain http"},
		"secret of 2 lines": {URL{Secret: secretFile(t, token+"\n"+token)}, "it is empty or more than one line"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := webhook(t, Webhook{URL: c.url, Token: secretFile(t, token)}).Send(t.Context(), firing())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
				t.Errorf("got %v, want %q and no secret", err, c.want)
			}
			if err != nil && (len(err.Error()) > 2*maxError || strings.Contains(err.Error(), "\n")) {
				t.Errorf("not one short line: %q", err)
			}
		})
	}
}

// TestASecretURLIsNotShown, although the service repeats it whole, in parts, or
// encoded.
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
			hook := webhook(t, Webhook{Name: "chat", URL: URL{Secret: secretFile(t, answering(t, answer)+path+query)}})
			err := hook.Send(t.Context(), firing())
			if err == nil {
				t.Fatal("got no error")
			}
			for _, part := range []string{"s3cr3t", "qu3ry", "services", "b0"} {
				if strings.Contains(strings.ToLower(err.Error()), part) {
					t.Errorf("%q contains %s", err, part)
				}
			}
		})
	}
}

// answering is a service that sends this text to everyone, even if it is not HTTP.
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

// TestATokenIsNotShown, although the service repeats it in its answer.
func TestATokenIsNotShown(t *testing.T) {
	const odd = `a"b/c+d e<f&g%h`
	for name, form := range map[string]string{
		"as it is": odd, "in a path": "a%22b%2Fc+d%20e%3Cf&g%25h", "in a query": "a%22b%2Fc%2Bd+e%3Cf%26g%25h",
		"in JSON": `a\"b/c+d e<f&g%h`, "in HTML": "a&#34;b/c+d e&lt;f&amp;g%h", "in base64": "YSJiL2MrZCBlPGYmZyVo",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := service(t, 403, "no access for "+form+".")
			err := webhook(t, Webhook{URL: URL{Text: s.URL}, Token: secretFile(t, odd)}).Send(t.Context(), firing())
			if want := "it answers 403: no access for (hidden)."; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
