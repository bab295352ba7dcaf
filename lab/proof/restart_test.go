package proof

import (
	"strings"
	"testing"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestRestartLeavesTheStopped checks that a stack is not restarted if that would start a
// unit that somebody stopped, although a declared file pulls it in. What systemd does not
// start is no reason: what an active unit wants, what cannot be loaded, and what the active
// targets want.
func TestRestartLeavesTheStopped(t *testing.T) {
	needsRoot(t)
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		wants := func(text, names string) string {
			return strings.Replace("[Unit]\n"+strings.TrimPrefix(text, "[Unit]\n"), "[Unit]\n", "[Unit]\nWants="+names+"\n", 1)
		}
		s := open(t, options, map[string]string{
			unit("web.service"):                    wants(scene.StackUnit("web.service", "first"), "helper.service job.service db.service gone.service"),
			unit("helper.service"):                 daemon,
			unit("job.service"):                    command,
			unit("db.service"):                     wants(daemon, "chained.service"),
			unit("chained.service"):                daemon,
			unit("tick.timer"):                     "[Timer]\nOnCalendar=yearly\n",
			unit("tick.service"):                   command,
			unit("timers.target.wants/tick.timer"): "-> ../tick.timer",
		})
		s.systemctl("start", "timers.target")
		s.systemctl("stop", "chained.service", "tick.timer")
		s.do(s.Podman(with("web-app-1", func(c *scene.Container) { c.State, c.ExitCode = "exited", 1 })...))
		bare := s.bareRules()
		s.want("all that would be started runs, or is done", s.eval("--enforce", "--policy", bare), 2, "web.service stack_running exited heal/heal-failed")
		for name, want := range map[string]string{"helper.service": "active", "chained.service": "inactive", "tick.timer": "inactive"} {
			if got := s.property(name, "ActiveState"); got != want {
				t.Errorf("after the restart of web.service, %s is %s, want %s", name, got, want)
			}
		}
		s.systemctl("stop", "helper.service")
		s.want("helper.service was stopped", s.eval("--enforce", "--policy", bare), 1, "web.service stack_running exited heal/refused")
		if got := s.property("helper.service", "ActiveState"); got != "inactive" {
			t.Errorf("helper.service is %s", got)
		}
	})
}
