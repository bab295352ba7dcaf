package alerts

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"stackpolicy/config"
	"stackpolicy/internal/journal"
)

// Environment is what sinks need of the process.
type Environment struct {
	Credentials string // $CREDENTIALS_DIRECTORY; "" without credentials
	Client      *http.Client
	Clock       func() time.Time
}

// Routes makes the sinks that the configuration names. An error names the keys
// that no sink can be made of. The textfile is none of them: see
// [WriteTextfile].
func Routes(c config.Alerts, env Environment) ([]Route, error) {
	var routes []Route
	var errs []error
	s := secrets{env.Credentials}
	if j := c.JournalRoute(); j.Severity != config.SeverityNone {
		routes = append(routes, Route{toJournal{journal.Send}, j.Severity, j.Repeat, true})
	}
	if m := c.Alertmanager; m != nil {
		routes = append(routes, Route{toAlertmanager{*m, s, env.Client, env.Clock}, m.Severity, m.Repeat, false})
	}
	for i, w := range c.Webhooks {
		sink, err := newWebhook(w, s, env.Client)
		if err != nil {
			errs = append(errs, fmt.Errorf("alerts.webhooks[%d].body: %w", i, err))
		}
		routes = append(routes, Route{sink, w.Severity, w.Repeat, false})
	}
	return routes, errors.Join(errs...)
}
