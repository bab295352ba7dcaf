package drill

import (
	"path/filepath"
	"time"

	"stackpolicy/lab/scene"
)

// inOrder are ways of being right. Nothing may be found.
var inOrder = []row{
	{
		name: "in-order", does: "nothing: three stacks, timers, sockets and services run as they are declared", all: true,
		do: func(*stage) error { return nil },
	},
	{
		name: "right-held", does: "a stack under a hold is stopped",
		do: func(s *stage) error {
			if err := s.stackpolicy("hold", "feeds.service", "--for", "1h", "--reason", "drill"); err != nil {
				return err
			}
			return s.systemctl("stop", "feeds.service")
		},
	},
	{
		name: "right-restarted", does: "a stack is restarted by hand",
		do: func(s *stage) error { return s.systemctl("restart", "files.service") },
	},
	{
		name: "right-job-ran", does: "a job that a timer starts has run, and is inactive",
		do: func(s *stage) error { return s.systemctl("start", "job.service") },
	},
	{
		name: "right-unwanted-stopped", does: "a service that nothing wants was started and stopped",
		do: func(s *stage) error {
			if err := s.systemctl("start", "quiet.service"); err != nil {
				return err
			}
			return s.systemctl("stop", "quiet.service")
		},
	},
	{
		name: "right-added", does: "a new service is declared, read and started",
		do: func(s *stage) error {
			err := s.declare(map[string]string{
				in("evil-new.service"):                      described("new", daemon),
				in("default.target.wants/evil-new.service"): "-> ../evil-new.service",
			})
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.systemctl("start", "evil-new.service")
			}
			return err
		},
	},
	{
		name: "right-removed", does: "a service is stopped, and its declaration removed and read",
		do: func(s *stage) error {
			if err := s.systemctl("stop", "quiet.service"); err != nil {
				return err
			}
			if err := s.declare(map[string]string{in("quiet.service"): "-"}); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "right-dropin", does: "a declared drop-in is read",
		do: func(s *stage) error {
			if err := s.declare(map[string]string{in("daemon.service.d/limits.conf"): "[Service]\nNice=1\n"}); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "right-masked", does: "a unit is masked by the declaration, and read",
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("quiet.service"): "-> /dev/null"})
			if err == nil {
				err = s.reload()
			}
			return err
		},
	},
	{
		name: "right-own-unit", does: "a unit that nobody manages was written by hand, and failed",
		do: func(s *stage) error {
			if err := s.plant(s.Unit("evil-mine.service"), "[Service]\nType=oneshot\nExecStart=/bin/false\n"); err != nil {
				return err
			}
			if err := s.reload(); err != nil {
				return err
			}
			return s.try("start", "evil-mine.service")
		},
	},
	{
		name: "right-crashed-once", does: "a service crashed once, and systemd restarted it",
		do: func(s *stage) error {
			text := described("crashes", "[Service]\nRestart=always\nRestartSec=50ms\nExecStart=/bin/sh -c 'rm %h/.config/crash || exec sleep infinity'\n")
			err := s.declare(map[string]string{in("evil-crash.service"): text})
			if err == nil {
				err = s.Write(filepath.Join(s.Home, ".config/crash"), "")
			}
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.systemctl("start", "evil-crash.service")
			}
			if err != nil {
				return err
			}
			return s.until("it was restarted", func() bool {
				return s.property("evil-crash.service", "NRestarts") == "1" && s.property("evil-crash.service", "SubState") == "running"
			})
		},
	},
	{
		name: "right-activated-again", does: "the same generation is activated again, and all its links are replaced",
		do: func(s *stage) error {
			owner := s.owner()
			owner.Relink = true
			return s.Current.Activate(s.Home, owner)
		},
	},
	{
		name: "right-one-shot", does: "a one-shot container of a stack has ended with status 0",
		do: func(s *stage) error {
			return s.containers(changed("files-migrate-1", func(c *scene.Container) { c.State, c.ExitCode = "exited", 0 })...)
		},
	},
	{
		name: "right-starting", does: "a container's health check has not yet ended for the first time",
		do: func(s *stage) error {
			return s.containers(changed("web-app-1", func(c *scene.Container) { c.Health, c.Started = "starting", time.Now() })...)
		},
	},
	{
		name: "right-lone-container", does: "a container that belongs to no project runs",
		do: func(s *stage) error {
			return s.containers(append(scene.Containers(), scene.Container{Name: "lone"})...)
		},
	},
	{
		name: "right-transient", does: "a transient unit ran, and has ended",
		do: func(s *stage) error {
			return s.shell("systemd-run --user --quiet --wait --unit=evil-transient.service /bin/true")
		},
	},
}

// stackpolicy runs a command that must succeed.
func (s *stage) stackpolicy(args ...string) error {
	return s.shellOf(s.Stackpolicy(s.ctx, args...), args)
}
