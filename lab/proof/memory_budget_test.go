package proof

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const (
	repeating = "web.service drift_not_repeating repeating block/ticket"
	refused   = "web.service loaded_is_current stale heal/refused"
	breaker   = "host drift_not_repeating breaker-open block/page"
)

// TestBudget checks drift that comes back after each heal. It is reported after the third
// heal. It is healed six times within an hour, and then not again until the breaker is
// closed.
func TestBudget(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := remembering(t, options, nil)
		for i := range hostBudget {
			s.again()
			findings, exit := []string{healed}, 0
			if i >= 3 {
				findings, exit = []string{healed, repeating}, 1
			}
			s.want("heal "+strconv.Itoa(i+1), s.enforce(), exit, findings...)
		}
		s.again()
		s.refused("one heal too many", s.enforce(), 1, "the budget of the host is used up", refused, repeating)
		s.refused("the breaker", s.enforce(), 2, "stackpolicy reset-breaker host", refused, repeating, breaker)
		s.want("observed", s.eval("--policy", s.rules()), 2, refused, repeating, breaker)

		s.resetBreaker()
		s.want("closed", s.enforce(), 1, healed, repeating)
	})
}

// again causes the drift again.
func (s *stage) again() {
	s.t.Helper()
	settle()
	s.activate("after "+strconv.Itoa(s.reloads()), nil)
}

// refused wants these findings, and the one action refused for that reason.
func (s *stage) refused(what string, r report, exit int, why string, findings ...string) {
	s.t.Helper()
	before := s.reloads()
	s.want(what, r, exit, findings...)
	if len(r.Actions) != 1 || r.Actions[0].Status != "refused" || !strings.Contains(r.Actions[0].Message, why) {
		s.t.Errorf("%s: actions %+v, want one that is refused: %s", what, r.Actions, why)
	}
	if s.reloads() != before {
		s.t.Errorf("%s: it was reloaded all the same", what)
	}
}

func (s *stage) resetBreaker() {
	s.t.Helper()
	if r := s.Stackpolicy(s.t.Context(), "reset-breaker", "host"); r.Code != 0 || r.Err != "" {
		s.t.Errorf("reset-breaker: status %d: %s", r.Code, r.Err)
	}
	if left := s.sql("SELECT subject FROM breakers"); len(left) > 0 {
		s.t.Errorf("breakers left: %v", left)
	}
}

// TestBudgetOfAGhost checks that a unit without a file has a budget of its own: resets of one
// that fails again and again end, and reloads of the host do not hold the first one back.
func TestBudgetOfAGhost(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		const (
			ghost  = "ghost.service no_ghost_failure ghost heal/"
			repeat = "ghost.service drift_not_repeating repeating block/ticket"
		)
		s := remembering(t, options, nil)
		for i := range 3 {
			s.again()
			s.want("reload "+strconv.Itoa(i+1), s.enforce(), 0, healed)
		}
		for i := range 3 {
			s.haunt()
			s.want("reset "+strconv.Itoa(i+1), s.enforce(), 1, ghost+"healed", repeating)
		}
		s.haunt()
		s.refused("one reset too many", s.enforce(), 1, "the budget of ghost.service is used up", ghost+"refused", repeating, repeat)
	})
}

// haunt leaves a unit that failed and no longer has a file.
func (s *stage) haunt() {
	s.t.Helper()
	s.do(s.Write(s.Unit("ghost.service"), "[Service]\nExecStart=/bin/false\n"))
	s.reload()
	_, _ = s.Systemctl(s.t.Context(), "start", "--wait", "ghost.service")
	s.do(os.Remove(s.Unit("ghost.service")))
	s.reload()
	settle()
}
