package notify

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRoutes(t *testing.T) {
	page := Selection{Severity: "page", Repeat: time.Hour}
	all := Config{
		Journal: Journal{page}, Alertmanager: &Alertmanager{Selection: page}, Webhooks: Webhooks{{Name: "chat", Selection: page}},
	}
	none := Config{Journal: Journal{Selection{Severity: SeverityNone}}}
	type summary struct {
		name, severity string
		repeat         time.Duration
		heals, network bool
	}
	cases := map[string]struct {
		config Config
		want   []summary
	}{
		"nothing configured": {Config{}, []summary{{"journal", "ticket", 24 * time.Hour, true, false}}},
		"not even it":        {none, nil},
		"all": {all, []summary{
			{"journal", "page", time.Hour, true, false}, {"alertmanager", "page", time.Hour, false, true}, {"webhook:chat", "page", time.Hour, false, true},
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			routes, err := c.config.Routes(Environment{})
			if err != nil {
				t.Fatal(err)
			}
			var got []summary
			for _, r := range routes {
				got = append(got, summary{r.Name(), r.Severity, r.Repeat, r.Heals, r.Network})
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(summary{})); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestCheck: sinks say that a secret is missing, and nothing if it is there.
func TestCheck(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "there"), []byte("https://[::1]/sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, missing := range map[string]bool{"there": false, "absent": true} {
		secret := &Secret{Credential: name}
		c := Config{
			Journal:      Journal{Selection{Severity: SeverityNone}},
			Alertmanager: &Alertmanager{URL: "https://[::1]", Token: secret},
			Webhooks:     Webhooks{{Name: "token", URL: URL{Text: "https://[::1]"}, Token: secret}, {Name: "url", URL: URL{Secret: secret}}},
		}
		routes, err := c.Routes(Environment{Credentials: folder})
		if err != nil || len(routes) != 3 {
			t.Fatal(len(routes), err)
		}
		for _, r := range routes {
			if err := r.Sink.(Checker).Check(); (err != nil) != missing {
				t.Errorf("%s, secret %s: %v", r.Name(), name, err)
			}
		}
	}
}
