package drill

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"stackpolicy/applied"
	"stackpolicy/lab/scene"
)

// ofStacks are about containers. A stand-in for podman shows them.
var ofStacks = []row{
	{
		name: "container-exited", does: "a container of an active stack has ended with status 137",
		finds: []string{"stack_running web.service"},
		do:    func(s *stage) error { return s.containers(changed("web-app-1", down)...) },
	},
	{
		name: "container-unhealthy", does: "a container fails its health check",
		finds: []string{"stack_running web.service"},
		do: func(s *stage) error {
			return s.containers(changed("web-app-1", func(c *scene.Container) { c.Health = "unhealthy" })...)
		},
	},
	{
		name: "container-restarting", does: "podman restarts a container at this moment",
		finds: []string{"stack_running web.service"},
		do: func(s *stage) error {
			return s.containers(changed("web-db-1", func(c *scene.Container) { c.State = "restarting" })...)
		},
	},
	{
		name: "container-paused", does: "a container is paused",
		finds: []string{"stack_running web.service"},
		do: func(s *stage) error {
			return s.containers(changed("web-db-1", func(c *scene.Container) { c.State = "paused" })...)
		},
	},
	{
		name: "one-shot-failed", does: "a one-shot container of a stack has ended with status 1",
		finds: []string{"stack_running files.service"},
		do: func(s *stage) error {
			return s.containers(changed("files-migrate-1", func(c *scene.Container) { c.ExitCode = 1 })...)
		},
	},
	{
		name: "no-containers", does: "all containers of an active stack are gone",
		finds: []string{"stack_running feeds.service"},
		do: func(s *stage) error {
			return s.containers(scene.Containers()[:4]...)
		},
	},
	{
		name: "stack-failed-and-down", does: "the apply of a stack failed, and its containers are down",
		finds: []string{"unit_not_failed files.service"},
		do: func(s *stage) error {
			if err := s.fail("files.service"); err != nil {
				return err
			}
			return s.containers(changed("files-app-1", down)...)
		},
	},
	{
		name: "container-flaps", does: "podman has restarted a container 40 times",
		finds: []string{"unit_not_flapping web.service"},
		do: func(s *stage) error {
			now := time.Now()
			return s.containers(changed("web-app-1", func(c *scene.Container) {
				c.Restarts, c.RestartPolicy, c.Created, c.Started = 40, "always", now.Add(-time.Hour), now.Add(-time.Minute)
			})...)
		},
	},
	{
		name: "project-of-nobody", does: "containers of a compose project run that no managed unit owns",
		finds: []string{"stack_owned host"},
		do: func(s *stage) error {
			return s.containers(append(scene.Containers(), scene.Container{Name: "stray-1", Project: "stray"})...)
		},
	},
	{
		name: "label-missing", does: "an auto-updated container has no PODMAN_SYSTEMD_UNIT label",
		finds: []string{"containers_labelled web.service", "auto_update_works host"},
		do: func(s *stage) error {
			return s.containers(changed("web-app-1", func(c *scene.Container) { c.AutoUpdate, c.Unit = "registry", "" })...)
		},
	},
	{
		name: "label-foreign", does: "the PODMAN_SYSTEMD_UNIT label of an auto-updated container names a unit that is not loaded",
		finds: []string{"containers_labelled web.service", "auto_update_works host"},
		do: func(s *stage) error {
			return s.containers(changed("web-app-1", func(c *scene.Container) { c.AutoUpdate, c.Unit = "registry", "other.service" })...)
		},
	},
	{
		name: "auto-update-off", does: "a container asks for updates, and the timer of auto-update does not run",
		finds: []string{"auto_update_works host"},
		do: func(s *stage) error {
			return s.containers(changed("web-app-1", func(c *scene.Container) { c.AutoUpdate = "registry" })...)
		},
	},
	{
		name: "older-image", does: "a container runs another image than its name means now",
		finds: []string{"images_current web.service"},
		do: func(s *stage) error {
			return s.containers(changed("web-app-1", func(c *scene.Container) { c.Image = olderImage })...)
		},
	},
	{
		name: "applied-before", does: "a stack was applied by an older definition than the one on disk",
		finds: []string{"applied_is_current web.service"},
		do: func(s *stage) error {
			record, err := json.Marshal(applied.Record{
				Schema: applied.Schema, Stack: "web", Unit: "web.service", Project: "web", AppliedAt: time.Now().UTC(), Stale: true,
				Invocation: s.property("web.service", "InvocationID"),
			})
			if err != nil {
				return err
			}
			return errors.Join(s.Write(applied.Path(filepath.Join(s.Home, ".local/state"), "web"), string(record)), s.declare(map[string]string{
				".config/web/compose.yaml":        "services: {app: {image: \"localhost/sample:1\"}, db: {image: \"localhost/sample:1\"}}\n",
				".config/stackpolicy/config.yaml": s.rules.config("compose: [~/.config/web/compose.yaml]"),
			}))
		},
	},
	{
		name: "probe-fails", does: "the probe of a stack gets no answer; its last apply failed, and its containers run",
		finds: []string{"probes_answer web.service", "unit_not_failed web.service"},
		do: func(s *stage) error {
			fails := described("web, second", "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=90\nExecStart=/bin/false\nExecStartPost=/bin/true verify\n")
			err := s.declare(map[string]string{
				in("web.service"): fails, ".config/stackpolicy/config.yaml": s.rules.config("probes: [{tcp: \"127.0.0.1:9\", within: 1s}]"),
			})
			if err == nil {
				err = s.reload()
			}
			if err != nil {
				return err
			}
			return s.try("restart", "web.service")
		},
	},
	{
		name: "runroot-on-disk", does: "podman's runroot is not on a tmpfs: after a reboot it believes that old containers run",
		finds: []string{"storage_survives_reboot host"},
		do: func(s *stage) error {
			return s.Write(filepath.Join(s.Home, ".podman-info.json"), `{"store":{"runRoot":"/proc","graphRoot":"/"}}`)
		},
	},
}

const olderImage = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
