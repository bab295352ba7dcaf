package notify

import (
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
