package machine

import (
	"context"
	"fmt"
	"strings"
)

// registryAddress is where the machine's own registry listens. Podman is configured to
// use it without TLS.
const registryAddress = "127.0.0.1:5000"

// The registry is a system unit, so that it does not appear in the user's manager. It is
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

// Registry starts the machine's registry, unless it runs, and returns its address when
// it answers. Images that were pushed to it survive a reboot, but then it must be started
// again.
func (m *Machine) Registry(ctx context.Context) (address string, err error) {
	out, err := m.RootCommand(ctx, "systemctl", "start", registryUnit).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("start the registry: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return registryAddress, nil
}
