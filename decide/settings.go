package decide

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"go.yaml.in/yaml/v3"
)

// settingsFile is the policy folder's only data; opa test reads it as data too.
const settingsFile = "settings.yaml"

// Settings is what an operator tunes without touching a rule: the value of
// settings in settings.yaml, data.settings in Rego. Without a file it is zero.
type Settings struct {
	// Restart names units that may be restarted as a heal, as systemctl's
	// glob patterns.
	Restart []string `yaml:"restart" json:"restart"`
	// TrustDistributionDropins takes drop-ins below /usr/lib/systemd/user as owned.
	TrustDistributionDropins bool `yaml:"trust_distribution_dropins" json:"trust_distribution_dropins"`
}

// parseSettings reads settings.yaml strictly: an unknown key, a key given
// twice and a second document are refused.
func parseSettings(f files, refusal *Refusal) Settings {
	var doc struct {
		Settings Settings `yaml:"settings"`
	}
	if f.settings == nil {
		return doc.Settings
	}
	decoder := yaml.NewDecoder(bytes.NewReader(f.settings))
	decoder.KnownFields(true)
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return doc.Settings
	}
	if err != nil {
		addYAMLError(err, refusal)
		return doc.Settings
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		refusal.add(settingsFile, 0, "holds more than one YAML document; one is read")
	}
	return doc.Settings
}

// yamlLine is how yaml says where: "yaml: line 3: …" or "line 3: …".
var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// yamlUnknown is how yaml says that KnownFields met an unknown key.
var yamlUnknown = regexp.MustCompile(`^field (\S+) (not found|already set) in type .*$`)

func addYAMLError(err error, refusal *Refusal) {
	texts := []string{err.Error()}
	if typeErr := new(yaml.TypeError); errors.As(err, &typeErr) {
		texts = typeErr.Errors
	}
	for _, text := range texts {
		line := 0
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		if m := yamlUnknown.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("unknown key %q; the shape is settings: {restart: [patterns], trust_distribution_dropins: true or false}", m[1])
			if m[2] == "already set" {
				text = fmt.Sprintf("key %q is given twice", m[1])
			}
		}
		refusal.add(settingsFile, line, "%s", text)
	}
}

// store hands the settings to Rego as data.settings.
func (s Settings) store() storage.Store {
	restart := make([]any, len(s.Restart))
	for i, pattern := range s.Restart {
		restart[i] = pattern
	}
	return inmem.NewFromObjectWithOpts(map[string]any{"settings": map[string]any{
		"restart":                    restart,
		"trust_distribution_dropins": s.TrustDistributionDropins,
	}}, inmem.OptRoundTripOnWrite(false))
}
