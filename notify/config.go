package notify

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Config is the section alerts of config.yaml. Its zero value sends everything
// to the journal, and nothing elsewhere.
type Config struct {
	Journal      Journal       `yaml:"journal"`
	Textfile     Textfile      `yaml:"textfile"`
	Alertmanager *Alertmanager `yaml:"alertmanager"`
	Webhooks     Webhooks      `yaml:"webhooks"`
}

// rows lists the sinks. To add one, add its file, a field of Config and a row.
func (c Config) rows() []row {
	return []row{{"journal", c.Journal}, {"textfile", c.Textfile}, {"alertmanager", c.Alertmanager}, {"webhooks", c.Webhooks}}
}

// row is a key of Config and its value.
type row struct {
	key string
	settings
}

// settings are the configuration of one kind of sink. An error begins with the
// rest of the key that is wrong, such as ".url: ".
type settings interface {
	check() []error
	routes(Environment) ([]Route, error)
}

// Check returns what is wrong, each error with its key. No error contains a
// secret.
func (c Config) Check() (errs []error) {
	for _, r := range c.rows() {
		errs = append(errs, under("alerts."+r.key, r.check())...)
	}
	return errs
}

// under puts the key in front of what is wrong below it.
func under(key string, errs []error) []error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s%w", key, err)
	}
	return errs
}

// Environment is what sinks need of the process.
type Environment struct {
	Credentials string // $CREDENTIALS_DIRECTORY; "" without credentials
	Client      *http.Client
	Clock       func() time.Time
}

// Route is a sink and which alerts it is sent.
type Route struct {
	Sink
	Selection
	Heals   bool // it is also sent heals of findings that it was not sent before
	Network bool // it is sent over the network, which the audit's unit may not use
}

// Routes returns the configured sinks. An error names the keys that are wrong.
// The textfile is no route: see [WriteTextfile].
func (c Config) Routes(env Environment) (routes []Route, err error) {
	var errs []error
	for _, r := range c.rows() {
		list, err := r.routes(env)
		if err != nil {
			errs = append(errs, fmt.Errorf("alerts.%s%w", r.key, err))
		}
		routes = append(routes, list...)
	}
	return routes, errors.Join(errs...)
}

// The least severe findings that a sink is sent.
const (
	SeverityPage   = "page"
	SeverityTicket = "ticket"
	SeverityNone   = "none" // only for the journal: nothing
)

// minRepeat bounds how often an open finding is sent again.
const minRepeat = time.Minute

// Selection is what a sink is sent.
type Selection struct {
	Severity string        `yaml:"severity"` // page, or ticket for both
	Repeat   time.Duration `yaml:"repeat"`   // after this time an open finding is sent again
}

// or returns the selection with defaults for what is not configured.
func (s Selection) or(severity string, repeat time.Duration) Selection {
	return Selection{Severity: cmp.Or(s.Severity, severity), Repeat: cmp.Or(s.Repeat, repeat)}
}

func (s Selection) checkOneOf(severities ...string) (errs []error) {
	if !slices.Contains(severities, s.Severity) {
		errs = append(errs, fmt.Errorf(".severity: %q is not one of %s", s.Severity, strings.Join(severities, ", ")))
	}
	if s.Repeat < minRepeat {
		errs = append(errs, fmt.Errorf(".repeat: %s is shorter than %s", s.Repeat, minRepeat))
	}
	return errs
}
