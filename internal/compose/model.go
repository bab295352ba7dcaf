package compose

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"stackpolicy/internal/regularfile"
)

// Model is a project with everything put in: variables, included and extended
// files, env files, label files. A provider that is given it reads no other
// file. It holds secrets: never show it.
type Model struct{ *types.Project }

// Model resolves the project. A missing env file that is required is an error.
func (p *Project) Model() (Model, error) {
	for _, file := range p.EnvFiles {
		if _, err := regularfile.Read(file.Path, maxFile); err != nil && file.Required {
			return Model{}, fmt.Errorf("services.%s.env_file: %w", file.Service, err)
		}
	}
	resolved, err := p.read.WithServicesEnvironmentResolved(true)
	if err != nil {
		return Model{}, fmt.Errorf("compose project %s: %w", p.Name, err)
	}
	for _, s := range p.Services {
		service := resolved.Services[s.Name]
		service.Image, service.LabelFiles, service.Profiles = s.Image, nil, nil
		service.Labels = types.Labels(s.Labels)
		resolved.Services[s.Name] = service
	}
	return Model{resolved}, nil
}

// Inline returns what the configs and secrets of a service are that no file has: they are
// written in the compose file, or in a variable. It is "" if there are none.
func (m Model) Inline(service string) string {
	s := m.Services[service]
	used := map[string]types.FileObjectConfig{}
	for _, c := range s.Configs {
		used["config "+c.Source] = types.FileObjectConfig(m.Configs[c.Source])
	}
	for _, c := range s.Secrets {
		used["secret "+c.Source] = types.FileObjectConfig(m.Secrets[c.Source])
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if of := used[name]; of.Content != "" || of.Environment != "" {
			fmt.Fprintf(&text, "\n%s %q %q", name, of.Content, m.Environment[of.Environment])
		}
	}
	return text.String()
}

// Label gives the containers of a service a label.
func (m Model) Label(service, key, value string) {
	s := m.Services[service]
	labels := types.Labels{key: value}
	for k, v := range s.Labels {
		if k != key {
			labels[k] = v
		}
	}
	s.Labels = labels
	m.Services[service] = s
}

// HasOwnUsers reports whether a container has other users than podman gives it: by
// userns_mode, or by podman-compose's own x-podman.uidmaps and x-podman.gidmaps.
func (m Model) HasOwnUsers() bool {
	for _, s := range m.Services {
		if s.UserNSMode != "" || s.Extensions["x-podman.uidmaps"] != nil || s.Extensions["x-podman.gidmaps"] != nil {
			return true
		}
	}
	return false
}

// Fixed is the model without the services that are left out. Nothing in it is
// built, and no newer image is asked for.
func (m Model) Fixed(leave []string) Model {
	fixed := m.WithServicesDisabled(leave...)
	for name, s := range fixed.Services {
		s.Build, s.PullPolicy = nil, ""
		fixed.Services[name] = s
	}
	return Model{fixed}
}

// Text is the model as one compose file, for a provider that is a program.
func (m Model) Text() ([]byte, error) {
	text, err := m.MarshalYAML()
	if err != nil {
		return nil, fmt.Errorf("compose project %s: %w", m.Name, err)
	}
	return bytes.ReplaceAll(text, []byte("$"), []byte("$$")), nil // what is put in is put in
}
