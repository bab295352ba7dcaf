package proof

import (
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const (
	daemon  = "[Service]\nExecStart=/bin/sleep 600\n"
	command = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
)

// wanted declares units that default.target, timers.target and sockets.target want.
var wanted = map[string]string{
	unit("db.service"):       daemon,
	unit("needs.service"):    "[Unit]\nRequires=db.service\nAfter=db.service\n" + daemon,
	unit("done.service"):     command,
	unit("other.service"):    "[Unit]\nConditionPathExists=/nowhere\n" + command,
	unit("unless.service"):   "[Service]\nType=oneshot\nExecCondition=/bin/false\nExecStart=/bin/true\n",
	unit("ends.service"):     "[Service]\nExecStart=/bin/true\n",
	unit("tick.timer"):       "[Timer]\nOnCalendar=yearly\n",
	unit("tick.service"):     command,
	unit("on-call.socket"):   "[Socket]\nListenStream=%t/on-call\n",
	unit("on-call.service"):  "[Service]\nExecStart=/bin/true\n",
	unit("inst@.service"):    daemon,
	unit("idle.service"):     daemon, // nothing wants it
	unit("unwanted.target"):  "[Unit]\nDescription=not active\n",
	unit("by-other.service"): daemon,

	unit("default.target.wants/db.service"):        "-> ../db.service",
	unit("default.target.wants/needs.service"):     "-> ../needs.service",
	unit("default.target.wants/done.service"):      "-> ../done.service",
	unit("default.target.wants/other.service"):     "-> ../other.service",
	unit("default.target.wants/unless.service"):    "-> ../unless.service",
	unit("default.target.wants/ends.service"):      "-> ../ends.service",
	unit("default.target.wants/on-call.service"):   "-> ../on-call.service",
	unit("default.target.wants/inst@one.service"):  "-> ../inst@.service",
	unit("timers.target.wants/tick.timer"):         "-> ../tick.timer",
	unit("sockets.target.wants/on-call.socket"):    "-> ../on-call.socket",
	unit("unwanted.target.wants/by-other.service"): "-> ../by-other.service",
}

// TestWantedIsRunning checks that a unit that an active target wants runs, or that systemd
// knows the reason why it does not.
func TestWantedIsRunning(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, wanted)
		down := func(unit, case_ string) string { return unit + " wanted_is_running " + case_ + " block/page" }

		never := []string{"db", "done", "other", "unless", "ends", "inst@one"}
		list := []string{down("needs.service", "requirement"), down("tick.timer", "never-started"),
			down("on-call.socket", "never-started"), down("on-call.service", "never-started")}
		for _, name := range never {
			list = append(list, down(name+".service", "never-started"))
		}
		s.want("added by a switch that starts nothing", s.eval(), 2, list...)

		s.systemctl("start", "timers.target", "sockets.target")
		s.systemctl("start", "default.target")
		s.state("ends.service", "inactive")
		ended := down("ends.service", "stopped")
		s.want("started with their targets; a service that ended at once", s.eval(), 2, ended)

		s.systemctl("stop", "db.service", "tick.timer", "inst@one.service", "on-call.socket")
		s.want("stopped by hand, one with what it requires", s.eval(), 2, ended,
			down("db.service", "stopped"), down("needs.service", "requirement"), down("tick.timer", "stopped"),
			down("inst@one.service", "stopped"), down("on-call.socket", "stopped"), down("on-call.service", "stopped"))

		s.systemctl("start", "db.service", "tick.timer", "inst@one.service", "on-call.socket")
		s.want("what was stopped with it is not started with it", s.eval(), 2, ended, down("needs.service", "stopped"))

		s.systemctl("start", "needs.service")
		s.systemctl("stop", "web.service") // a stack whose containers run
		s.want("a stack", s.eval(), 2, ended, down("web.service", "stopped"))
		s.systemctl("start", "web.service")
		s.want("started again", s.eval(), 2, ended)
	})
}

// TestElapsedTimer checks that a timer which is to elapse again and again, and never will, is
// found although it is active: nothing has run the unit yet that its times count from.
func TestElapsedTimer(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{
			unit("tick.timer"):                     "[Timer]\nOnUnitActiveSec=1h\n",
			unit("tick.service"):                   command,
			unit("once.timer"):                     "[Timer]\nOnActiveSec=0\n",
			unit("once.service"):                   command,
			unit("timers.target.wants/tick.timer"): "-> ../tick.timer",
			unit("timers.target.wants/once.timer"): "-> ../once.timer",
		})
		s.systemctl("start", "timers.target", "tick.timer", "once.timer")
		s.until("once.timer has elapsed", func() bool { return s.property("once.timer", "SubState") == "elapsed" })
		s.want("no run to count from", s.eval(), 2, "tick.timer wanted_is_running elapsed block/page")
		s.systemctl("start", "tick.service")
		s.want("its service has run", s.eval(), 0)
	})
}

// TestAboutToRun checks that a start that is queued or running is no finding.
func TestAboutToRun(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{
			unit("slow.service"):                       "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'until [ -e %h/go ]; do sleep 0.1; done'\n",
			unit("after.service"):                      "[Unit]\nAfter=slow.service\n" + daemon,
			unit("default.target.wants/slow.service"):  "-> ../slow.service",
			unit("default.target.wants/after.service"): "-> ../after.service",
		})
		s.systemctl("start", "--no-block", "slow.service", "after.service")
		s.state("slow.service", "activating")
		s.want("one starts, one waits for it", s.eval("slow", "after"), 0)
		s.do(s.Write(s.Home+"/go", ""))
		s.state("after.service", "active")
		s.want("both run", s.eval(), 0)
	})
}

// state waits until a unit is in the given state.
func (s *stage) state(unit, want string) {
	s.t.Helper()
	s.until(unit+" is "+want, func() bool { return s.property(unit, "ActiveState") == want })
}
