package alerts

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
)

func TestRoutes(t *testing.T) {
	page := config.Route{Severity: "page", Repeat: time.Hour}
	all := config.Alerts{
		Journal: &page, Alertmanager: &config.Alertmanager{Route: page}, Webhooks: []config.Webhook{{Name: "chat", Route: page}},
	}
	none := config.Alerts{Journal: &config.Route{Severity: config.SeverityNone}}
	type told struct {
		name, severity string
		repeat         time.Duration
		heals          bool
	}
	cases := map[string]struct {
		config config.Alerts
		want   []told
	}{
		"nothing configured": {config.Alerts{}, []told{{"journal", "ticket", 24 * time.Hour, true}}},
		"not even it":        {none, nil},
		"all": {all, []told{
			{"journal", "page", time.Hour, true}, {"alertmanager", "page", time.Hour, false}, {"webhook:chat", "page", time.Hour, false},
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			routes, err := Routes(c.config, Environment{})
			if err != nil {
				t.Fatal(err)
			}
			var got []told
			for _, r := range routes {
				got = append(got, told{r.Name(), r.Severity, r.Repeat, r.Heals})
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(told{})); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}
