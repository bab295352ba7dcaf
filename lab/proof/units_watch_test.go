package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const watchService = "stackpolicy-watch.service"

// shorter has the times of the watch's unit, so that the test ends sooner.
const shorter = simulatedPodman + "WatchdogSec=10s\nRestartSec=1s\n"

// watch opens a stage where the shipped watch is declared, beside the other units.
func watch(t *testing.T, options usermanager.Options) *stage {
	t.Helper()
	declared := declaring(t, map[string]string{watchService: shorter})
	declared[unit(watchService)] = shippedText(t, watchService)
	s := open(t, options, declared)
	s.do(s.Link(filepath.Join(s.BinDir, "stackpolicy"), filepath.Join(s.Home, ".local/bin/stackpolicy")))
	if err := os.Remove(s.Path("/usr/lib/systemd/user/podman.socket")); err != nil && !os.IsNotExist(err) {
		s.do(err)
	}
	s.reload()
	return s
}

// watcher returns the process of the watch; 0 if none runs.
func (s *stage) watcher() int {
	s.t.Helper()
	pid, err := strconv.Atoi(s.property(watchService, "MainPID"))
	s.do(err)
	return pid
}

// restarted waits until another process watches, and returns it.
func (s *stage) restarted(what string, before int) int {
	s.t.Helper()
	after := 0
	// The watchdog's time, that for SIGABRT, which a stopped process does not take, and a start.
	if !s.within(time.Minute, func() bool {
		after = s.watcher()
		return after != 0 && after != before && s.property(watchService, "ActiveState") == "active"
	}) {
		s.t.Fatalf("the watch does not run again after %s\n%s", what, s.Log())
	}
	return after
}

// TestWatchUnit checks what systemd does with the watch: it waits until the watch is ready,
// reloads it, starts it again after each way to die, and ends it without an error. Without
// the timer, the watch is enough for audit_timer_active, from its first audit on.
func TestWatchUnit(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := watch(t, options)
		s.systemctl("stop", auditTimer)
		s.systemctl("start", watchService)
		if got := s.property(watchService, "ActiveState"); got != "active" {
			t.Fatalf("started, it is %s\n%s", got, s.Log())
		}
		s.until("its first audit is recorded", func() bool { // it is ready as soon as there is a verdict
			r := s.Stackpolicy(t.Context(), "status", "-o", "json")
			return strings.Contains(r.Out, `"audited_by": "watch"`) && !strings.Contains(r.Out, "audit_timer_active")
		})
		pid := s.watcher()
		s.checkConfined(pid)
		s.systemctl("reload", watchService)
		s.until("it has reloaded", func() bool {
			return strings.Contains(s.Log(), "Reloaded "+watchService) && s.property(watchService, "ActiveState") == "active"
		})
		if got := s.watcher(); got != pid {
			t.Errorf("a reload made process %d of %d", got, pid)
		}
		// More often than the manager's own limit allows, five starts in ten seconds.
		for n := range 6 {
			s.systemctl("kill", "--signal=SIGKILL", watchService)
			pid = s.restarted(fmt.Sprint("SIGKILL ", n+1), pid)
		}
		s.systemctl("kill", "--signal=SIGSTOP", watchService)
		s.restarted("SIGSTOP", pid)
		if log := s.Log(); !strings.Contains(log, "Watchdog timeout") {
			t.Errorf("the watchdog did not end it:\n%s", log)
		}
		s.systemctl("stop", watchService)
		if state, result := s.property(watchService, "ActiveState"), s.property(watchService, "Result"); state != "inactive" || result != "success" {
			t.Errorf("stopped, it is %s, %s", state, result)
		}
	})
}

// checkConfined checks that the watch has no more permissions than the audit.
func (s *stage) checkConfined(pid int) {
	s.t.Helper()
	status := s.Do(s.Command(s.t.Context(), "cat", fmt.Sprintf("/proc/%d/status", pid))).Out
	for _, want := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
		if !strings.Contains(status, want) {
			s.t.Errorf("its status lacks %q:\n%s", want, status)
		}
	}
	exposed := func(unit string) string {
		r := s.Do(s.Command(s.t.Context(), "systemd-analyze", "--user", "--no-pager", "security", unit))
		_, level, found := strings.Cut(r.Out, "Overall exposure level for "+unit+": ")
		if r.Code != 0 || !found {
			s.t.Fatalf("security of %s: status %d: %s%s", unit, r.Code, r.Out, r.Err)
		}
		return strings.Fields(level)[0]
	}
	s.do(s.Write(s.runtime("systemd/user/stackpolicy-shipped.service"), shippedText(s.t, auditService)))
	s.reload()
	if watch, audit := exposed(watchService), exposed("stackpolicy-shipped.service"); watch != audit {
		s.t.Errorf("the watch is exposed by %s, the audit by %s", watch, audit)
	}
}

// TestWatchBesideTimer checks that the watch and the timer can both be on: neither ends the
// other, also when another unit is started. Each start of a unit starts basic.target too,
// and with it each timer that is enabled.
func TestWatchBesideTimer(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := watch(t, options)
		s.do(s.Write(s.runtime("systemd/user/other.service"), "[Service]\nExecStart=/bin/sleep 1000\n"))
		s.reload()
		s.systemctl("start", watchService)
		pid := s.watcher()
		s.systemctl("start", auditTimer)
		s.systemctl("start", "other.service")
		s.systemctl("start", "default.target")
		states := []string{s.property(watchService, "ActiveState"), s.property(auditTimer, "ActiveState"), s.property("other.service", "ActiveState")}
		if want := []string{"active", "active", "active"}; !slices.Equal(states, want) || s.watcher() != pid {
			t.Errorf("the watch, the timer and another unit are %v, process %d was %d\n%s", states, s.watcher(), pid, s.Log())
		}
	})
}
