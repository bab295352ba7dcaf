package main

import (
	"context"
	"fmt"
	"strings"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/machine"
)

const stackUnit = "web.service"

// sample is a home configuration with one stack that stackctl applies and verifies, and
// the audit's timer.
var sample = generation.Generation{
	Files: map[string]string{
		".config/stackpolicy/config.yaml": `stacks:
  web:
    compose: [/home/ada/.config/web/compose.yaml]
    verify: {timeout: 20s, settle: 1s}
`,
		".config/web/compose.yaml": `services:
  app:
    image: localhost/app:1
    command: ["/bin/httpd", "-f", "-p", "80", "-h", "/"]
    ports: ["127.0.0.1:8080:80"]
    labels: {PODMAN_SYSTEMD_UNIT: web.service}
  db:
    image: localhost/app:1
    labels: {PODMAN_SYSTEMD_UNIT: web.service}
`,
		".config/systemd/user/" + stackUnit: `[Unit]
Description=The sample stack
Documentation=info:stackpolicy-rev-1

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=60
ExecStartPre=/usr/local/bin/stackctl preflight web
ExecStart=/usr/local/bin/stackctl apply web
ExecStartPost=/usr/local/bin/stackctl verify web

[Install]
WantedBy=default.target
`,
		".config/systemd/user/stackpolicy-audit.service": `[Unit]
Description=Audit of the stacks
Documentation=info:stackpolicy-rev-1

[Service]
Type=oneshot
ExecStart=/usr/local/bin/stackpolicy eval
SuccessExitStatus=1
`,
		".config/systemd/user/stackpolicy-audit.timer": `[Unit]
Description=Audit of the stacks, again and again
Documentation=info:stackpolicy-rev-1

[Timer]
OnUnitActiveSec=10min
OnActiveSec=10min

[Install]
WantedBy=timers.target
`,
	},
	Links: map[string]string{
		".config/systemd/user/default.target.wants/" + stackUnit:           "../" + stackUnit,
		".config/systemd/user/timers.target.wants/stackpolicy-audit.timer": "../stackpolicy-audit.timer",
	},
}

// startSample activates and starts the sample, as Home Manager would.
func startSample(ctx context.Context, m *machine.Machine) error {
	image := machine.Image{Name: "localhost/app:1", Files: map[string]string{"/index.html": "It works.\n"}}
	if err := m.Image(ctx, image); err != nil {
		return err
	}
	err := m.Inside(func() error {
		built, err := sample.Build(machine.StoreDir)
		if err != nil {
			return err
		}
		return built.Activate(machine.Home, generation.Activation{UID: machine.UID, GID: machine.GID})
	})
	if err != nil {
		return err
	}
	for _, argv := range [][]string{
		{"systemctl", "--user", "daemon-reload"},
		{"systemctl", "--user", "start", "stackpolicy-audit.timer", stackUnit},
	} {
		if out, err := m.Command(ctx, argv...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s\n%s", strings.Join(argv, " "), err, out, m.State(ctx, stackUnit))
		}
	}
	return nil
}
