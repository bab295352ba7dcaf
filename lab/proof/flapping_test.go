package proof

import (
	"os"
	"strconv"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestFlapping checks that a service that systemd restarts again and again is found, both
// while it runs and while it waits. A service that crashed once is not a finding. A reload
// that failed is one, until the next one succeeds.
func TestFlapping(t *testing.T) {
	const again = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\n"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{
			unit("flaps.service"):   again + "RestartSec=50ms\nExecStart=/bin/sh -c '[ -e %h/stay ] && exec sleep 600; exit 1'\n",
			unit("waits.service"):   again + "RestartSec=600\nExecStart=/bin/false\n",
			unit("crashed.service"): again + "RestartSec=50ms\nExecStart=/bin/sh -c 'rm %h/crash || exec sleep 600'\nExecReload=/bin/sh -c '[ ! -e %h/wrong ]'\n",
		})
		s.do(s.Write(s.Home+"/crash", ""))
		s.systemctl("start", "flaps.service", "waits.service", "crashed.service")
		restarts := func(n int) func() bool {
			return func() bool {
				got, _ := strconv.Atoi(s.property("flaps.service", "NRestarts"))
				return got >= n
			}
		}
		s.until("flaps.service was restarted often", restarts(12))
		s.do(s.Write(s.Home+"/stay", ""))
		s.until("it runs", func() bool { return s.property("flaps.service", "SubState") == "running" })
		s.until("the other one runs", func() bool {
			return s.property("crashed.service", "NRestarts") == "1" && s.property("crashed.service", "SubState") == "running"
		})
		s.want("at a moment at which it runs", s.eval(), 2, "flaps.service unit_not_flapping unit block/page")

		s.systemctl("restart", "flaps.service")
		s.want("restarted by hand, which sets its counter back", s.eval(), 0)

		s.do(s.Write(s.Home+"/wrong", ""))
		if _, err := s.Systemctl(t.Context(), "reload", "crashed.service"); err == nil {
			t.Error("the reload succeeds")
		}
		s.want("a reload that failed", s.eval(), 1, "crashed.service unit_not_failed reload-failed block/ticket")
		s.do(os.Remove(s.Home + "/wrong"))
		s.systemctl("reload", "crashed.service")
		s.want("reloaded", s.eval(), 0)
	})
}
