package compose

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// ProviderText is the model as one compose file, for a provider that is a program.
// It says what the model says, in forms that podman-compose 1.0.3 and 1.3.0
// understand: of the forms that compose allows, compose-go writes some on which they
// fail (a volume without a source), some that they hand on to podman as they are
// (`devices` as mappings), and some that they ignore (`scale`, `configs`).
func (m Model) ProviderText() ([]byte, error) {
	document, err := m.document()
	if err != nil {
		return nil, fmt.Errorf("compose project %s: %w", m.Name, err)
	}
	return yaml.Marshal(document)
}

// Given is a hexadecimal SHA-256 of [Model.ProviderText]. podman-compose since 1.1 replaces
// all containers when that is another one.
func (m Model) Given() (string, error) {
	text, err := m.ProviderText()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(text)), nil
}

func (m Model) document() (map[string]any, error) {
	text, err := m.plain().MarshalYAML()
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	for name, service := range m.Services {
		rewrite(serviceIn(document, name), service)
	}
	escaped(document)
	return document, nil
}

// serviceIn is what a document says of a service; nil where it says nothing.
func serviceIn(document map[string]any, name string) map[string]any {
	services, _ := document["services"].(map[string]any)
	service, _ := services[name].(map[string]any)
	return service
}

// plain is the model without what the images and the engine need alone: nothing is
// built or pulled by the provider. Networks that no service uses make
// podman-compose 1.0 fail.
func (m Model) plain() *types.Project {
	p := *m.Project
	p.Services, p.Networks = maps.Clone(m.Services), maps.Clone(m.Networks)
	for name, s := range p.Services {
		s.Build, s.PullPolicy, s.Develop = nil, "", nil
		if s.Scale != nil || s.Deploy != nil && s.Deploy.Replicas != nil {
			s = withReplicas(s)
		}
		s.Configs, s.Volumes = withoutFile(s.Configs, p.Configs), slices.Concat(s.Volumes, asBinds(s.Configs, p.Configs))
		if check := s.HealthCheck; check != nil && check.Disable {
			s.HealthCheck = &types.HealthCheckConfig{Test: []string{"NONE"}}
		}
		p.Services[name] = s
	}
	maps.DeleteFunc(p.Networks, func(key string, _ types.NetworkConfig) bool { return !isUsed(p.Services, key) })
	return &p
}

func isUsed(services types.Services, network string) bool {
	for _, s := range services {
		if _, used := s.Networks[network]; used {
			return true
		}
	}
	return false
}

// withReplicas writes the number of containers as deploy.replicas.
func withReplicas(s types.ServiceConfig) types.ServiceConfig {
	number, deploy := s.GetScale(), types.DeployConfig{}
	if s.Deploy != nil {
		deploy = *s.Deploy
	}
	deploy.Replicas = &number
	s.Scale, s.Deploy = nil, &deploy
	return s
}

// asBinds are the files behind a service's configs as binds, which is what compose makes
// of them.
func asBinds(used []types.ServiceConfigObjConfig, declared types.Configs) (binds []types.ServiceVolumeConfig) {
	for _, c := range used {
		if file := declared[c.Source].File; file != "" {
			target := cmp.Or(c.Target, "/"+c.Source)
			binds = append(binds, types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: file, Target: target, ReadOnly: true})
		}
	}
	return binds
}

func withoutFile(used []types.ServiceConfigObjConfig, declared types.Configs) []types.ServiceConfigObjConfig {
	return slices.DeleteFunc(slices.Clone(used), func(c types.ServiceConfigObjConfig) bool { return declared[c.Source].File != "" })
}

// rewrite puts what is written of a service into other forms.
func rewrite(written map[string]any, s types.ServiceConfig) {
	set := func(key string, list []string) {
		if len(list) > 0 {
			written[key] = list
		}
	}
	set("extra_hosts", slices.Sorted(slices.Values(s.ExtraHosts.AsList(":"))))
	set("devices", devices(s.Devices))
	set("sysctls", assignments(s.Sysctls))
	if !hasConfiguredNetwork(s) {
		set("networks", s.NetworksByPriority())
	}
	volumes, _ := written["volumes"].([]any)
	for i := range volumes {
		v, _ := volumes[i].(map[string]any)
		if v["type"] == types.VolumeTypeVolume && v["source"] == nil {
			volumes[i] = v["target"]
		}
		if options, ok := v["tmpfs"].(map[string]any); ok && options["mode"] != nil { // mount(8) reads it as octal
			options["mode"] = fmt.Sprintf("%o", options["mode"])
		}
	}
	secrets, _ := written["secrets"].([]any)
	for _, secret := range secrets {
		if used, ok := secret.(map[string]any); ok && used["target"] == fmt.Sprint("/run/secrets/", used["source"]) {
			delete(used, "target")
		}
	}
}

func hasConfiguredNetwork(s types.ServiceConfig) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(s.Networks)), isConfigured)
}

func isConfigured(n *types.ServiceNetworkConfig) bool {
	return n != nil && (len(n.Aliases) > 0 || n.Ipv4Address != "" || n.Ipv6Address != "" || n.MacAddress != "" ||
		len(n.LinkLocalIPs) > 0 || len(n.DriverOpts) > 0 || n.InterfaceName != "" || n.GatewayPriority != 0 || len(n.Extensions) > 0)
}

func devices(mapped []types.DeviceMapping) (list []string) {
	for _, d := range mapped {
		parts := []string{d.Source}
		if d.Target != "" && (d.Target != d.Source || d.Permissions != "") {
			parts = append(parts, d.Target)
		}
		if d.Permissions != "" {
			parts = append(parts, d.Permissions)
		}
		list = append(list, strings.Join(parts, ":"))
	}
	return list
}

func assignments(values map[string]string) (list []string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		list = append(list, key+"="+values[key])
	}
	return list
}

// escaped writes $ as $$ in all values, so that nothing is put in again. No
// provider reads variables in keys.
func escaped(value any) any {
	switch v := value.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case []string:
		list := make([]string, 0, len(v))
		for _, s := range v {
			list = append(list, strings.ReplaceAll(s, "$", "$$"))
		}
		return list
	case []any:
		for i := range v {
			v[i] = escaped(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = escaped(v[key])
		}
	}
	return value
}
