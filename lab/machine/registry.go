package machine

import (
	"context"
	"fmt"
	"strings"
)

// registryAddress is where the machine's own registry listens. Podman takes it
// without TLS there.
const registryAddress = "127.0.0.1:5000"

// The registry is a system unit, so that the user's manager has none of it, and
// not enabled.
const (
	registryUnit    = "lab-registry.service"
	registryConfig  = "/etc/lab-registry.yml"
	registryService = `[Unit]
Description=Registry of container images

[Service]
Type=exec
ExecStart=/usr/bin/docker-registry serve ` + registryConfig + `
ExecStartPost=/bin/sh -c 'until curl --silent --fail --max-time 2 http://` + registryAddress + `/v2/; do sleep 0.05; done'
TimeoutStartSec=20
`
	registrySettings = `version: 0.1
log: {level: error}
storage:
  filesystem: {rootdirectory: /var/lib/lab-registry}
http: {addr: "` + registryAddress + `"}
`
)

// Registry starts the machine's registry, unless it runs, and returns its
// address when it answers. What was pushed to it survives a reboot; it itself
// has to be started again.
func (m *Machine) Registry(ctx context.Context) (address string, err error) {
	out, err := m.RootCommand(ctx, "systemctl", "start", registryUnit).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("start the registry: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return registryAddress, nil
}
