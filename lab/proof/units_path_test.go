package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestUnitsPaths checks that every change of the units starts an audit, also in a folder
// that did not exist before.
func TestUnitsPaths(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, map[string]string{
			auditService:                        noWait + noted + instead(":"),
			"web.service":                       dropIn,
			"stackpolicy-audit-subfolders.path": "[Path]\nPathChanged=%E/systemd/user/web.service.d\n",
		})
		moveIn := func(format string) func(int) {
			return func(try int) {
				path := strings.ReplaceAll(format, "N", strconv.Itoa(try))
				if !strings.HasPrefix(path, "/") {
					path = filepath.Join(s.Home, path)
				}
				s.moveIn("/dev/null", path)
			}
		}
		newFile := func(format string) func(int) {
			return func(try int) {
				s.do(s.Write(filepath.Join(s.Home, strings.ReplaceAll(format, "N", strconv.Itoa(try))), dropIn))
			}
		}
		s.fires("a unit's link is moved", moveIn(unit("web.service")))
		s.fires("a unit is new", moveIn(unit("newN.service")))
		s.fires("a wants link is new", moveIn(unit("default.target.wants/newN.service")))
		s.fires("a drop-in is new, with its folder", newFile(unit("filesN.service.d/a.conf")))
		s.fires("a drop-in is new in a folder that a line was added for", newFile(unit("web.service.d/newN.conf")))
		s.fires("a drop-in for all services is new, with its folder", newFile(unit("service.d/N.conf")))
		s.fires("another is", newFile(unit("service.d/moreN.conf")))
		s.fires("user.control is new", newFile(".config/systemd/user.control/webN.service.d/a.conf"))
		s.fires("a unit's first set-property", newFile(".config/systemd/user.control/filesN.service.d/a.conf"))
		s.fires("the runtime's user.control", func(int) { s.systemctl("set-property", "--runtime", "web.service", "TasksMax=40") })
		s.fires("the quadlets' folder is new", newFile(".config/containers/systemd/N.container"))
		s.fires("a quadlet is new", newFile(".config/containers/systemd/moreN.container"))
		s.fires("a new current generation", moveIn(".local/state/home-manager/gcroots/current-home"))
		s.fires("/etc/systemd/user", func(try int) { s.etc(fmt.Sprintf("new%d.service", try), dropIn) })
	})
}

// TestUnitsManyChanges checks that many changes do not make a path unit fail.
func TestUnitsManyChanges(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, map[string]string{auditService: noWait + noted + instead("exit 2")})
		const changes = 50
		for range changes {
			before := len(s.runs())
			s.moveIn("/dev/null", s.Unit("web.service"))
			s.within(time.Second, func() bool { return len(s.runs()) > before })
		}
		s.until("the last audit's end", s.idle)
		if n := len(s.runs()); n < changes*4/5 || n > changes {
			t.Errorf("%d audits for %d changes", n, changes)
		}
		for _, name := range pathUnits {
			if got := s.property(name, "ActiveState"); got != "active" {
				t.Errorf("%s is %s", name, got)
			}
		}
	})
}

// TestUnitsChangeDuringAudit checks that a change during an audit starts another audit
// after it.
func TestUnitsChangeDuringAudit(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, map[string]string{
			auditService: noWait + noted + instead("echo >>%t/begun; until [ -e %t/go ]; do sleep 0.02; done"),
		})
		s.systemctl("start", "--no-block", auditService)
		s.until("an audit under way", func() bool { _, err := os.Stat(s.runtime("begun")); return err == nil })
		s.until("a change that waits", func() bool {
			s.moveIn("/dev/null", s.Unit("web.service"))
			return s.within(time.Second, func() bool { return strings.Contains(s.systemctl("list-jobs"), changeService) })
		})
		s.moveIn("/dev/null", s.Unit("files.service")) // the second audit sees this too
		if got := s.runs(); len(got) != 0 {
			t.Fatalf("the audit has ended: %v", got)
		}
		s.do(s.Write(s.runtime("go"), ""))
		s.until("a second audit", func() bool { return len(s.runs()) == 2 })
		s.until("the audits' end", s.idle)
		if got := s.runs(); len(got) != 2 {
			t.Errorf("%d audits, want 2", len(got))
		}
	})
}

// nextAudit returns when the timer elapses next, on the monotonic clock; 0 is never.
func (s *stage) nextAudit() time.Duration {
	s.t.Helper()
	r := s.Do(s.Command(s.t.Context(), "busctl", "--user", "get-property", "org.freedesktop.systemd1",
		"/org/freedesktop/systemd1/unit/stackpolicy_2daudit_2etimer", "org.freedesktop.systemd1.Timer", "NextElapseUSecMonotonic"))
	micros, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(r.Out), "t "), 10, 64)
	s.do(err)
	if micros == 1<<64-1 {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}
