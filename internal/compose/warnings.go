package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/regularfile"
)

// warnings are what podman-compose takes otherwise than compose does, measured
// with 1.0.3 and 1.3.0.
func (o Options) warnings(from sources, env map[string]string) ([]string, error) {
	found, err := dotenvWarnings(filepath.Dir(o.Files[0]), env)
	for _, source := range from {
		found = append(found, source.warnings()...)
	}
	return found, err
}

// dotenvWarnings: the project's .env is stronger than it should be.
func dotenvWarnings(dir string, env map[string]string) ([]string, error) {
	path := filepath.Join(dir, ".env")
	content, err := regularfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	values, err := parseVariables(content, dotenv.LookupFn(lookup(env)))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch {
		case strings.HasPrefix(key, "PODMAN_"):
			found = append(found, fmt.Sprintf("%s: %s: podman-compose 1.3 lets it win over the environment; set it elsewhere", path, key))
		case env[key] != values[key]:
			found = append(found, fmt.Sprintf("%s: %s is another value in the environment, and podman-compose 1.0 takes this one; keep one of them", path, key))
		}
	}
	return found, nil
}

func (s source) warnings() []string {
	var found []string
	for decoder := yaml.NewDecoder(bytes.NewReader(s.content)); ; {
		var document struct {
			Services map[string]struct {
				Restart yaml.Node `yaml:"restart"`
				Scale   yaml.Node `yaml:"scale"`
			} `yaml:"services"`
		}
		if decoder.Decode(&document) != nil {
			return found
		}
		for _, name := range slices.Sorted(maps.Keys(document.Services)) {
			service := document.Services[name]
			if service.Restart.Style == 0 && service.Restart.Value == types.RestartPolicyNo {
				found = append(found, fmt.Sprintf("%s:%d: services.%s.restart: podman-compose reads no as false, and podman refuses it; write restart: \"no\"",
					s.path, service.Restart.Line, name))
			}
			if service.Scale.Kind != 0 {
				found = append(found, fmt.Sprintf("%s:%d: services.%s.scale: podman-compose ignores it; write deploy: {replicas: %s}",
					s.path, service.Scale.Line, name, service.Scale.Value))
			}
		}
	}
}
