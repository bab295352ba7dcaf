package compose

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// podmanCompose begins the version of every podman-compose, and podmanCompose10 that of
// Debian 12's.
const (
	podmanCompose   = "podman-compose "
	podmanCompose10 = "podman-compose 1.0."
)

// Limit is a key that a provider ignores, or hands on in a way that podman refuses. No
// rehearsal shows it.
type Limit struct {
	Place    string // services.NAME.KEY, volumes.NAME.KEY or networks.NAME
	Required bool   // without it a container lacks what it needs, or does not start
	Hint     string // what to write instead, or ""
}

// Limits returns what a provider of that version cannot do with the model, by place. What
// podman-compose reads is known of 1.0.3 and 1.3.0; every row is tried on both by the tests
// of lab/foreign/composes. Of other providers nothing is known.
func (m Model) Limits(version string) (found []Limit, err error) {
	if !strings.HasPrefix(version, podmanCompose) {
		return nil, nil
	}
	document, err := m.document()
	if err != nil {
		return nil, err
	}
	old := strings.HasPrefix(version, podmanCompose10)
	for _, name := range slices.Sorted(maps.Keys(m.Services)) {
		limits := serviceLimits(m.Services[name], serviceIn(document, name), old)
		limits = append(limits, m.secretLimits(m.Services[name])...)
		for _, l := range limits {
			l.Place = "services." + name + "." + l.Place
			found = append(found, l)
		}
	}
	if old {
		found = append(found, m.oldLimits()...)
	}
	return found, nil
}

// EngineLimits returns what the engine cannot do with the model, by place: podman's API (of
// 4.3 and 5.4) refuses it.
func (m Model) EngineLimits() (found []Limit) {
	for _, name := range slices.Sorted(maps.Keys(m.Services)) {
		s, at := m.Services[name], "services."+name+"."
		if slices.ContainsFunc(s.Links, hasAlias) {
			found = append(found, Limit{at + "links (aliases)", true, "use the service's name, or networks: {NETWORK: {aliases: [NAME]}}"})
		}
		if hasVolume(func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeImage })(s) {
			found = append(found, Limit{at + "volumes (type: image)", true, "copy the files into a volume or a folder"})
		}
		for _, used := range s.Secrets {
			if bool(m.Secrets[used.Source].External) {
				found = append(found, Limit{at + "secrets (" + used.Source + ")", true, "write it into a file, and name that: secrets: {" + used.Source + ": {file: PATH}}; or set provider: [podman-compose]"})
			}
		}
	}
	return found
}

// hasAlias reports whether a link gives a service another name.
func hasAlias(link string) bool {
	name, alias, found := strings.Cut(link, ":")
	return found && name != alias
}

// readBy10 are the keys of a service that podman-compose 1.0.3 reads, or that stackctl
// sees to. readBy13 are those that 1.3.0 reads besides.
var (
	readBy10 = []string{
		"annotations", "attach", "cap_add", "cap_drop", "command", "container_name", "cpu_shares", "cpus", "depends_on",
		"deploy", "devices", "entrypoint", "environment", "expose", "extra_hosts", "healthcheck", "hostname", "image",
		"init", "labels", "links", "logging", "mem_limit", "mem_reservation", "network_mode", "networks", "ports",
		"privileged", "read_only", "restart", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period",
		"stop_signal", "sysctls", "tmpfs", "tty", "ulimits", "user", "volumes", "working_dir",
	}
	readBy13 = []string{
		"device_cgroup_rules", "dns", "dns_opt", "dns_search", "group_add", "mac_address", "pid", "platform", "runtime",
		"userns_mode",
	}
)

// needed are keys without which a container cannot reach or use something.
var needed = []string{
	"configs", "device_cgroup_rules", "dns", "gpus", "group_add", "ipc", "models", "pid", "post_start", "pre_start",
	"pre_stop", "provider", "use_api_socket", "userns_mode", "volumes_from",
}

func serviceLimits(s types.ServiceConfig, written map[string]any, old bool) (found []Limit) {
	for _, key := range slices.Sorted(maps.Keys(written)) {
		isRead := slices.Contains(readBy10, key) || !old && slices.Contains(readBy13, key)
		if !isRead && written[key] != nil && !strings.HasPrefix(key, "x-") {
			found = append(found, Limit{Place: key, Required: slices.Contains(needed, key), Hint: instead[key]})
		}
	}
	for _, special := range specials {
		if (old || special.newer) && special.in(s) {
			found = append(found, special.Limit)
		}
	}
	return found
}

// specials are keys that are read, of which one form is not. newer: by 1.3.0 neither.
var specials = []struct {
	Limit
	newer bool
	in    func(types.ServiceConfig) bool
}{
	{Limit{"volumes (subpath)", true, "make the folder a volume of its own"}, true, hasVolume(func(v types.ServiceVolumeConfig) bool {
		return v.Volume != nil && v.Volume.Subpath != ""
	})},
	{Limit{"volumes (type: image)", true, ""}, true, hasVolume(func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeImage })},
	{Limit{"volumes (nocopy)", false, ""}, true, hasVolume(func(v types.ServiceVolumeConfig) bool { return v.Volume != nil && v.Volume.NoCopy })},
	{Limit{"network_mode", true, ""}, false, func(s types.ServiceConfig) bool { return s.NetworkMode != "" }},
	{Limit{"networks (aliases, addresses)", true, "use the services' names"}, false, hasConfiguredNetwork},
	{Limit{"links (aliases)", true, "use the service's name"}, false, func(s types.ServiceConfig) bool {
		return slices.ContainsFunc(s.Links, hasAlias)
	}},
}

func hasVolume(is func(types.ServiceVolumeConfig) bool) func(types.ServiceConfig) bool {
	return func(s types.ServiceConfig) bool { return slices.ContainsFunc(s.Volumes, is) }
}

var instead = map[string]string{
	"configs": "write the text into a file, and name that: configs: {NAME: {file: PATH}}",
}

// secretLimits: a secret of podman-compose is a file or one of podman's own.
func (m Model) secretLimits(s types.ServiceConfig) (found []Limit) {
	for _, used := range s.Secrets {
		if declared := m.Secrets[used.Source]; declared.File == "" && !bool(declared.External) {
			found = append(found, Limit{"secrets (" + used.Source + ")", true, "write it into a file, and name that: secrets: {" + used.Source + ": {file: PATH}}"})
		}
		if used.UID != "" || used.GID != "" || used.Mode != nil {
			found = append(found, Limit{Place: "secrets (uid, gid, mode)"})
		}
	}
	return found
}

// oldLimits are those of 1.0.3 about volumes and networks: it makes them by their name and
// labels.
func (m Model) oldLimits() (found []Limit) {
	for _, key := range slices.Sorted(maps.Keys(m.Volumes)) {
		if v := m.Volumes[key]; !bool(v.External) && (v.Driver != "" && v.Driver != "local" || len(v.DriverOpts) > 0) {
			found = append(found, Limit{Place: "volumes." + key + ".driver_opts", Required: true,
				Hint: "make the volume with podman volume create, and write external: true"})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.Networks)) {
		n := m.Networks[key]
		isPlain := (n.Driver == "" || n.Driver == "bridge") && len(n.DriverOpts) == 0 && len(n.Ipam.Config) == 0 &&
			(n.EnableIPv6 == nil || !*n.EnableIPv6)
		if !bool(n.External) && !isPlain && isUsed(m.Services, key) {
			found = append(found, Limit{Place: "networks." + key, Required: true,
				Hint: "make the network with podman network create, and write external: true"})
		}
	}
	return found
}
