package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"stackpolicy/decide/scope"
	"stackpolicy/finding"
	"stackpolicy/internal/strictyaml"
	"stackpolicy/internal/text"
)

// SettingsFile is the policy folder's only data file; opa test reads it as data too.
const SettingsFile = "settings.yaml"

// Settings are what operators change without editing a rule: settings in settings.yaml,
// data.settings in Rego. Keys that the file leaves out have the values of
// [defaultSettings].
type Settings struct {
	// Restart names units that may be restarted as a heal, as systemctl's
	// glob patterns.
	Restart []string `yaml:"restart"`
	// TrustDistributionDropins: drop-ins below /usr/lib/systemd/user count as owned.
	TrustDistributionDropins bool `yaml:"trust_distribution_dropins"`
	// Grace is how long a finding may stay open although its heal was tried, by the
	// invariant's id. lib/history.rego has the default.
	Grace map[string]time.Duration `yaml:"grace"`
	// Budget bounds how often heals are tried.
	Budget Budget `yaml:"budget"`
	// Breaker stops heals that do not help.
	Breaker Breaker `yaml:"breaker"`
	// Repeat says how often a finding may be healed before that is a finding.
	Repeat Repeat `yaml:"repeat"`
	// Settle is how long unit files must be unchanged before an action.
	Settle time.Duration `yaml:"settle"`
	// Storage is how much must be left where podman keeps containers and images.
	Storage Storage `yaml:"storage"`
	// Waivers say which findings do not count, and until when.
	Waivers []WaiverSetting `yaml:"waivers"`
	// Decide makes alerts of heals, and gives findings another severity.
	Decide []DecideSetting `yaml:"decide"`
}

// Budget is how many actions may be started within a window of 1 or 24 hours. The history
// counts only these two windows.
type Budget struct {
	Unit   int           `yaml:"unit"` // on one unit
	Host   int           `yaml:"host"` // on the whole host
	Window time.Duration `yaml:"window"`
}

// Breaker opens after Failures heals within 24 hours that failed or did not help, and stays
// open for Cooldown.
type Breaker struct {
	Failures int           `yaml:"failures"`
	Cooldown time.Duration `yaml:"cooldown"`
}

// Repeat is how many heals of one finding within a window of 1 or 24 hours become a finding.
type Repeat struct {
	Drift  int           `yaml:"drift"`
	Window time.Duration `yaml:"window"`
}

// Storage is how much space and how many files must be left; 0 asks for nothing.
type Storage struct {
	FreeMB     int `yaml:"free_mb"` // 10^6 bytes
	FreeInodes int `yaml:"free_inodes"`
}

func defaultSettings() Settings {
	return Settings{
		Budget:  Budget{Unit: 3, Host: 6, Window: time.Hour},
		Breaker: Breaker{Failures: 2, Cooldown: 6 * time.Hour},
		Repeat:  Repeat{Drift: 3, Window: 24 * time.Hour},
		Settle:  2 * time.Second,
		Storage: Storage{FreeMB: 1000, FreeInodes: 20_000},
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
	marked := slices.ContainsFunc(refusal.Problems, func(p Problem) bool { return p.File == SettingsFile })
	if text == nil || marked { // with the marks of a conflict it is not YAML
		return doc
	}
	lines, err := strictyaml.Decode(text, doc)
	if problems := (strictyaml.Problems)(nil); errors.As(err, &problems) {
		for _, p := range problems {
			refusal.Add(SettingsFile, p.Line, "%s", p.Text)
		}
		return doc
	}
	doc.lines = lines
	doc.checkLimits(refusal)
	doc.checkPatterns("restart", doc.Settings.Restart, refusal)
	doc.checkWaivers(refusal)
	doc.checkDecide(refusal)
	return doc
}

// problem adds a problem at the line of a setting, such as "waivers.2.until", or of its
// closest parent.
func (doc *settingsDoc) problem(refusal *Refusal, path, format string, args ...any) {
	line := doc.lines.Line(strings.Split("settings."+path, ".")...)
	refusal.Add(SettingsFile, line, "%s: %s", path, fmt.Sprintf(format, args...))
}

// Renamed lists the ids of invariants that the settings name by former ones, each
// with a note that says how it is called now.
func (s Settings) Renamed() []string {
	ids := slices.Collect(maps.Keys(s.Grace))
	for _, w := range s.Waivers {
		ids = append(ids, w.Invariant)
	}
	for _, d := range s.Decide {
		ids = append(ids, d.Invariant)
	}
	var notes []string
	for _, id := range ids {
		if now := finding.CurrentID(id); now != id {
			notes = append(notes, fmt.Sprintf("%s: %s is called %s now", SettingsFile, id, now))
		}
	}
	slices.Sort(notes)
	return slices.Compact(notes)
}

// Store returns the settings as Rego reads them: data.settings.
func (s Settings) Store() storage.Store {
	return inmem.NewFromObjectWithOpts(map[string]any{"settings": s.data()}, inmem.OptRoundTripOnWrite(false))
}

// Text returns the settings with the given keys as JSON; [scope.AllSettings] means all.
func (s Settings) Text(keys []string) string {
	data := s.data()
	if !slices.Contains(keys, scope.AllSettings) {
		maps.DeleteFunc(data, func(key string, _ any) bool { return !slices.Contains(keys, key) })
	}
	text, _ := json.Marshal(data) // it has only JSON values
	return string(text)
}

// data returns every setting, with texts, numbers, lists and maps.
func (s Settings) data() map[string]any {
	grace := map[string]any{}
	for id, period := range s.Grace {
		grace[id], grace[finding.CurrentID(id)] = text.Brief(period), text.Brief(period)
	}
	waivers := make([]any, len(s.Waivers))
	for i, w := range s.Waivers {
		waivers[i] = w.data()
	}
	decided := make([]any, len(s.Decide))
	for i, d := range s.Decide {
		decided[i] = d.data()
	}
	return map[string]any{
		"restart":                    texts(s.Restart),
		"trust_distribution_dropins": s.TrustDistributionDropins,
		"grace":                      grace,
		"budget":                     map[string]any{"unit": s.Budget.Unit, "host": s.Budget.Host, "window": text.Brief(s.Budget.Window)},
		"breaker":                    map[string]any{"failures": s.Breaker.Failures, "cooldown": text.Brief(s.Breaker.Cooldown)},
		"repeat":                     map[string]any{"drift": s.Repeat.Drift, "window": text.Brief(s.Repeat.Window)},
		"settle":                     text.Brief(s.Settle),
		"storage":                    map[string]any{"free_mb": s.Storage.FreeMB, "free_inodes": s.Storage.FreeInodes},
		"waivers":                    waivers,
		"decide":                     decided,
	}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}
