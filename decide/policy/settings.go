package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"stackpolicy/internal/strictyaml"
	"stackpolicy/internal/text"
)

// settingsFile is the policy folder's only data; opa test reads it as data too.
const settingsFile = "settings.yaml"

// Settings is what an operator tunes without touching a rule: the value of
// settings in settings.yaml, data.settings in Rego. What the file leaves out
// is as [defaultSettings] has it.
type Settings struct {
	// Restart names units that may be restarted as a heal, as systemctl's
	// glob patterns.
	Restart []string `yaml:"restart"`
	// TrustDistributionDropins takes drop-ins below /usr/lib/systemd/user as owned.
	TrustDistributionDropins bool `yaml:"trust_distribution_dropins"`
	// Grace is how long a finding of an invariant, by id, may wait for its
	// heal. For those that it does not name, lib/history.rego says it.
	Grace map[string]time.Duration `yaml:"grace"`
	// Budget bounds how often heals are tried.
	Budget Budget `yaml:"budget"`
	// Breaker holds heals back that do not help.
	Breaker Breaker `yaml:"breaker"`
	// Repeat is from when on a finding that is healed again and again is one
	// itself.
	Repeat Repeat `yaml:"repeat"`
	// Settle is how long unit files must have stood still before an action.
	Settle time.Duration `yaml:"settle"`
	// Waivers say which findings do not count, and until when.
	Waivers []WaiverSetting `yaml:"waivers"`
}

// Budget is how many actions may be begun within a window of 1 or 24 hours,
// which are those that the history counts.
type Budget struct {
	Unit   int           `yaml:"unit"` // on one unit
	Host   int           `yaml:"host"` // on the host, units included
	Window time.Duration `yaml:"window"`
}

// Breaker opens after so many heals within 24 hours that failed or did not help,
// and stays open for Cooldown.
type Breaker struct {
	Failures int           `yaml:"failures"`
	Cooldown time.Duration `yaml:"cooldown"`
}

// Repeat is how many heals of one finding within a window of 1 or 24 hours are
// a finding themselves.
type Repeat struct {
	Drift  int           `yaml:"drift"`
	Window time.Duration `yaml:"window"`
}

func defaultSettings() Settings {
	return Settings{
		Budget:  Budget{Unit: 3, Host: 6, Window: time.Hour},
		Breaker: Breaker{Failures: 2, Cooldown: 6 * time.Hour},
		Repeat:  Repeat{Drift: 3, Window: 24 * time.Hour},
		Settle:  2 * time.Second,
	}
}

// settingsDoc is the whole of settings.yaml.
type settingsDoc struct {
	Settings Settings `yaml:"settings"`
	lines    strictyaml.Document
}

// parseSettings reads settings.yaml strictly: an unknown key, a key given
// twice, a value out of bounds and a second document are refused.
func parseSettings(text []byte, refusal *Refusal) *settingsDoc {
	doc := &settingsDoc{Settings: defaultSettings()}
	if text == nil {
		return doc
	}
	lines, err := strictyaml.Decode(text, doc)
	if problems := (strictyaml.Problems)(nil); errors.As(err, &problems) {
		for _, p := range problems {
			refusal.Add(settingsFile, p.Line, "%s", p.Text)
		}
		return doc
	}
	doc.lines = lines
	doc.checkLimits(refusal)
	doc.checkPatterns("restart", doc.Settings.Restart, refusal)
	doc.checkWaivers(refusal)
	return doc
}

// problem refuses at the line of a setting, "waivers.2.until", or of its
// closest parent.
func (doc *settingsDoc) problem(refusal *Refusal, path, format string, args ...any) {
	line := doc.lines.Line(strings.Split("settings."+path, ".")...)
	refusal.Add(settingsFile, line, "%s: %s", path, fmt.Sprintf(format, args...))
}

// Store returns the settings as Rego reads them: data.settings.
func (s Settings) Store() storage.Store {
	grace := map[string]any{}
	for id, period := range s.Grace {
		grace[id] = text.Brief(period)
	}
	waivers := make([]any, len(s.Waivers))
	for i, w := range s.Waivers {
		waivers[i] = w.data()
	}
	return inmem.NewFromObjectWithOpts(map[string]any{"settings": map[string]any{
		"restart":                    texts(s.Restart),
		"trust_distribution_dropins": s.TrustDistributionDropins,
		"grace":                      grace,
		"budget":                     map[string]any{"unit": s.Budget.Unit, "host": s.Budget.Host, "window": text.Brief(s.Budget.Window)},
		"breaker":                    map[string]any{"failures": s.Breaker.Failures, "cooldown": text.Brief(s.Breaker.Cooldown)},
		"repeat":                     map[string]any{"drift": s.Repeat.Drift, "window": text.Brief(s.Repeat.Window)},
		"settle":                     text.Brief(s.Settle),
		"waivers":                    waivers,
	}}, inmem.OptRoundTripOnWrite(false))
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}
