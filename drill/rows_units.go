package drill

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"stackpolicy/lab/scene"
)

// ofUnits are about units that do not run, or not well.
var ofUnits = []row{
	{
		name: "stopped", does: "a service that default.target wants is stopped by hand",
		finds: []string{"wanted_is_running inst@one.service"},
		do:    func(s *stage) error { return s.systemctl("stop", "inst@one.service") },
	},
	{
		name: "stack-stopped", does: "a stack is stopped by hand, and its containers still run",
		finds: []string{"wanted_is_running feeds.service"},
		do:    func(s *stage) error { return s.systemctl("stop", "feeds.service") },
	},
	{
		name: "stopped-with-other", does: "a service is stopped by hand, and with it one that requires it",
		finds: []string{"wanted_is_running daemon.service", "wanted_is_running needs.service"},
		do:    func(s *stage) error { return s.systemctl("stop", "daemon.service") },
	},
	{
		name: "never-started", does: "a new service was declared and read, and nobody started it",
		finds: []string{"wanted_is_running evil-new.service"},
		do: func(s *stage) error {
			err := s.declare(map[string]string{
				in("evil-new.service"):                      described("new", daemon),
				in("default.target.wants/evil-new.service"): "-> ../evil-new.service",
			})
			if err == nil {
				err = s.reload()
			}
			return err
		},
	},
	{
		name: "timer-stopped", does: "a timer that timers.target wants is stopped by hand",
		finds: []string{"wanted_is_running job.timer"},
		do:    func(s *stage) error { return s.systemctl("stop", "job.timer") },
	},
	{
		name: "timer-elapsed", does: "a timer is active, but will never elapse: nothing has run that its time counts from",
		finds: []string{"wanted_is_running evil-tick.timer"},
		do: func(s *stage) error {
			err := s.declare(map[string]string{
				in("evil-tick.service"):                   described("tick", command),
				in("evil-tick.timer"):                     described("tick timer", "[Timer]\nOnUnitActiveSec=1h\n"),
				in("timers.target.wants/evil-tick.timer"): "-> ../evil-tick.timer",
			})
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.systemctl("start", "evil-tick.timer")
			}
			return err
		},
	},
	{
		name: "socket-stopped", does: "the socket of a service that starts on demand is stopped by hand",
		finds: []string{"wanted_is_running on-call.socket"},
		do:    func(s *stage) error { return s.systemctl("stop", "on-call.socket") },
	},
	{
		name: "failed", does: "a job failed",
		finds: []string{"unit_not_failed evil-job.service"},
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("evil-job.service"): described("job", "[Service]\nType=oneshot\nExecStart=/bin/false\n")})
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.try("start", "evil-job.service")
			}
			return err
		},
	},
	{
		name: "stack-failed", does: "the apply of a stack failed, and its containers still run",
		finds: []string{"unit_not_failed files.service"},
		do:    func(s *stage) error { return s.fail("files.service") },
	},
	{
		name: "reload-failed", does: "the reload of a service failed: it may use its earlier configuration",
		finds: []string{"unit_not_failed evil-reload.service"},
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("evil-reload.service"): described("reload", daemon+"ExecReload=/bin/false\n")})
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.systemctl("start", "evil-reload.service")
			}
			if err == nil {
				err = s.try("reload", "evil-reload.service")
			}
			return err
		},
	},
	{
		name: "flapping", does: "a service was restarted many times by systemd, and runs at this moment",
		finds: []string{"unit_not_flapping evil-flaps.service"},
		do: func(s *stage) error {
			if err := s.flap("RestartSec=20ms\nExecStart=/bin/sh -c '[ -e %h/.config/stay ] && exec sleep infinity; exit 1'\n"); err != nil {
				return err
			}
			restarted := func() bool { n, _ := strconv.Atoi(s.property("evil-flaps.service", "NRestarts")); return n >= 12 }
			if err := s.until("it was restarted 12 times", restarted); err != nil {
				return err
			}
			if err := s.Write(filepath.Join(s.Home, ".config/stay"), ""); err != nil {
				return err
			}
			return s.until("it runs", func() bool { return s.property("evil-flaps.service", "SubState") == "running" })
		},
	},
	{
		name: "flapping-waits", does: "a service was restarted three times, and waits for its next restart",
		finds: []string{"unit_not_flapping evil-flaps.service"}, moves: true,
		do: func(s *stage) error {
			text := "RestartSec=20ms\nRestartSteps=3\nRestartMaxDelaySec=600\nExecStart=/bin/sh -c '[ -e %h/.config/once ] && exit 1; exec sleep 0.1'\n"
			if err := s.flap(text); err != nil {
				return err
			}
			restarted := func() bool { n, _ := strconv.Atoi(s.property("evil-flaps.service", "NRestarts")); return n >= 3 }
			if err := s.until("it was restarted three times", restarted); err != nil {
				return err
			}
			// A restart that is far away keeps it waiting.
			longer := described("flaps", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=600\nExecStart=/bin/false\n")
			if err := s.declare(map[string]string{in("evil-flaps.service"): longer}); err != nil {
				return err
			}
			if err := s.reload(); err != nil {
				return err
			}
			return s.until("it waits", func() bool { return s.property("evil-flaps.service", "SubState") == "auto-restart" })
		},
	},
	{
		name: "no-verify", does: "the unit of a stack has no step that checks the start",
		finds: []string{"verify_gate_present feeds.service"},
		do: func(s *stage) error {
			text := "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=90\nExecStart=/bin/true\n"
			return s.replace("feeds.service", described("feeds, second", text))
		},
	},
	{
		name: "no-timeout", does: "the unit of a stack may take for ever to start",
		finds: []string{"verify_gate_present feeds.service"},
		do: func(s *stage) error {
			text := "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=infinity\nExecStart=/bin/true\nExecStartPost=/bin/true verify\n"
			return s.replace("feeds.service", described("feeds, second", text))
		},
	},
	{
		name: "target-stopped", does: "default.target is stopped: nothing keeps what it wants running",
		finds: []string{"user_manager_running host"},
		do: func(s *stage) error {
			if err := s.systemctl("stop", "basic.target"); err != nil { // and all that needs it
				return err
			}
			return s.until("the stacks are stopped", func() bool { return s.property("web.service", "ActiveState") == "inactive" })
		},
	},
	{
		name: "manager-gone", does: "the user manager is killed", spoils: true,
		finds: []string{"user_manager_running host"},
		do: func(s *stage) error {
			process, err := os.FindProcess(s.PID)
			if err == nil {
				err = process.Kill()
			}
			if err != nil {
				return err
			}
			return s.until("it is gone", func() bool {
				_, err := os.Stat("/proc/" + strconv.Itoa(s.PID) + "/root/")
				return errors.Is(err, os.ErrNotExist)
			})
		},
	},
}

// fail makes a stack fail, as a failed apply does.
func (s *stage) fail(unit string) error {
	if err := s.systemctl("set-environment", "APPLY=fail"); err != nil {
		return err
	}
	return s.try("restart", unit)
}

// flap declares and starts a service that systemd restarts.
func (s *stage) flap(service string) error {
	text := described("flaps", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\n"+service)
	err := s.declare(map[string]string{in("evil-flaps.service"): text})
	if err == nil {
		err = s.reload()
	}
	if err == nil {
		err = s.systemctl("start", "evil-flaps.service")
	}
	return err
}

// replace declares another text of a unit, reads it, and restarts the unit.
func (s *stage) replace(unit, text string) error {
	err := s.declare(map[string]string{in(unit): text})
	if err == nil {
		err = s.reload()
	}
	if err == nil {
		err = s.systemctl("restart", unit)
	}
	return err
}

// down is a container that has ended with an error.
func down(c *scene.Container) { c.State, c.ExitCode, c.Health = "exited", 137, "" }
