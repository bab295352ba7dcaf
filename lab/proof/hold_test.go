package proof

import (
	"path/filepath"
	"slices"
	"testing"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// waived returns "subject invariant" of the findings that do not count, in order.
func (r report) waived() (list []string) {
	for _, d := range r.Decisions {
		if d.Waiver != nil {
			list = append(list, d.Subject+" "+d.Invariant)
		}
	}
	return list
}

// TestHold checks that findings about running do not count for a held unit, and that it is
// not restarted although restarts are allowed. After the hold both are as before.
func TestHold(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		policies := filepath.Join(s.Home, "rules")
		if r := s.Stackpolicy(t.Context(), "policy", "copy", policies); r.Code != 0 {
			t.Fatal(r.Err)
		}
		s.do(s.Write(filepath.Join(policies, "settings.yaml"), "settings:\n  restart: [\"web*\"]\n"))
		s.want("in order", s.eval("--policy", policies), 0)
		down := slices.Clone(scene.Containers())
		down[0].State, down[0].ExitCode = "exited", 137
		s.do(s.Podman(down...))
		s.want("down", s.eval("--policy", policies), 1, "web.service stack_running exited heal/planned")

		s.stackpolicy("hold", "web", "--for", "2h", "--reason", "new disk")
		invocation := s.property("web.service", "InvocationID")
		r := s.eval("--policy", policies, "--enforce")
		if got := r.waived(); r.ExitCode != 0 || len(r.Actions) != 0 || !slices.Equal(got, []string{"web.service stack_running"}) {
			t.Errorf("held: status %d, actions %v, waived %v", r.ExitCode, r.Actions, got)
		}
		if s.property("web.service", "InvocationID") != invocation {
			t.Error("a held unit was restarted")
		}

		s.stackpolicy("release", "web")
		r = s.eval("--policy", policies, "--enforce")
		if len(r.waived()) != 0 || s.property("web.service", "InvocationID") == invocation {
			t.Errorf("released: waived %v, actions %v", r.waived(), r.Actions)
		}
	})
}

func (s *stage) stackpolicy(args ...string) {
	s.t.Helper()
	if r := s.Stackpolicy(s.t.Context(), args...); r.Code != 0 {
		s.t.Fatalf("%v: status %d: %s%s", args, r.Code, r.Out, r.Err)
	}
}
