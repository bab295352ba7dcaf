package proof

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stackpolicy/applied"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// appliedStage is a stage where web.service has a compose file. The test writes the record
// of its last apply, as stackctl would.
type appliedStage struct {
	*stage
	compose, state string
}

func openApplied(t *testing.T, options usermanager.Options) *appliedStage {
	t.Helper()
	s := &appliedStage{stage: open(t, options, nil)}
	s.compose, s.state = filepath.Join(s.Home, "web/compose.yaml"), filepath.Join(s.Home, ".local/state")
	s.do(s.Write(s.compose, "services: {}\n"))
	s.declare("first")
	s.reload()
	return s
}

// declare activates a revision of web.service and a configuration that names its compose
// file.
func (s *appliedStage) declare(revision string) {
	s.t.Helper()
	s.do(s.Activate(map[string]string{
		".config/stackpolicy/config.yaml": fmt.Sprintf("stacks: {web: {compose: [%s]}, files: {}, feeds: {}}\n", s.compose),
		unit("web.service"):               scene.Stamped(scene.StackUnit("web.service", revision)),
	}))
}

// apply records that web.service was applied with its current files.
func (s *appliedStage) apply() {
	s.t.Helper()
	var doc facts.Document
	s.do(json.Unmarshal([]byte(s.Stackpolicy(s.t.Context(), "facts").Out), &doc))
	i := slices.IndexFunc(doc.Units, func(u facts.Unit) bool { return u.Name == "web.service" })
	files, err := collect.Digests(s.t.Context(), applied.RoleCompose, []string{s.compose})
	s.do(err)
	record := applied.Record{
		Stack: "web", Unit: "web.service", Project: "web", AppliedAt: time.Now().UTC(), Stale: doc.Units[i].Stale(),
		Files:    append(collect.Definition(doc.Units[i]), files...),
		Services: []applied.Service{{Name: "app", Containers: 1}, {Name: "db", Containers: 1}, {Name: "migrate", Containers: 1, OneShot: true}},
	}
	path := applied.Path(s.state, "web")
	s.do(s.Write(path, "")) // makes the folders for the account
	s.do(applied.Write(s.state, record))
	s.do(os.Lchown(path, s.UID, s.GID))
}

// optIn copies the policies and allows restarts of web.service.
func (s *appliedStage) optIn() (policies string) {
	s.t.Helper()
	policies = filepath.Join(s.Home, "rules")
	if r := s.Stackpolicy(s.t.Context(), "policy", "copy", policies); r.Code != 0 {
		s.t.Fatal(r.Err)
	}
	s.do(s.Write(filepath.Join(policies, "settings.yaml"), "settings:\n  restart: [\"web*\"]\n  trust_distribution_dropins: false\n"))
	return policies
}

const notApplied = "web.service applied_is_current changed block/ticket"

// TestApplied checks that a stack that was applied with older files is found by the files'
// content, independent of their times.
func TestApplied(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := openApplied(t, options)
		s.want("nothing recorded, and the unit does not call stackctl", s.eval(), 0)
		s.apply()
		s.want("applied", s.eval(), 0)
		s.do(s.Write(s.compose, "services: {}\n"))
		s.declare("first")
		s.reload()
		s.want("recreated with the same content", s.eval(), 0)

		s.do(s.Write(s.compose, "services: {app: {}}\n"))
		s.want("compose file changed", s.eval(), 1, notApplied)
		s.do(s.Write(s.compose, "services: {}\n"))
		settle()
		s.declare("second")
		s.want("unit changed, not reloaded", s.eval(), 1, stale, notApplied)
		s.apply()
		s.want("applied before the reload", s.eval(), 1, stale, "web.service applied_is_current stale block/ticket")
		s.reload()
		s.want("applied before the reload, reloaded", s.eval(), 1, "web.service applied_is_current stale block/ticket")
		s.apply()
		s.want("applied again", s.eval(), 0)
		s.systemctl("stop", "web.service")
		s.do(s.Write(s.compose, "services: {app: {}}\n"))
		s.want("a unit that is not active", s.eval(), 2, "web.service wanted_is_running stopped block/page")
	})
}

// TestAppliedRestart checks that a restart heals only if it applies the stack. The unit
// here does not apply it.
func TestAppliedRestart(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := openApplied(t, options)
		policies := s.optIn()
		s.want("nothing recorded, and the unit does not call stackctl", s.eval("--policy", policies), 0)
		s.apply()
		s.do(s.Write(s.compose, "services: {app: {}}\n"))
		invocation := s.property("web.service", "InvocationID")
		s.want("observing", s.eval("--policy", policies), 1, "web.service applied_is_current changed heal/planned")
		if s.property("web.service", "InvocationID") != invocation {
			t.Error("web.service was restarted without --enforce")
		}
		s.want("enforcing", s.eval("--enforce", "--policy", policies), 2, "web.service applied_is_current changed heal/heal-failed")
		if s.property("web.service", "InvocationID") == invocation {
			t.Error("web.service was not restarted")
		}
	})
}

// TestAppliedServices checks that the record says which containers must exist, and which
// may have ended.
func TestAppliedServices(t *testing.T) {
	all := scene.Containers()
	app := slices.IndexFunc(all, func(c scene.Container) bool { return c.Service == "app" })
	db := slices.IndexFunc(all, func(c scene.Container) bool { return c.Service == "db" })
	migrate := scene.Container{
		Name: "web-migrate-1", Unit: "web.service", Project: "web", Service: "migrate", State: "exited", RestartPolicy: "always",
	}
	failed := migrate
	failed.ExitCode = 1
	ended := all[app]
	ended.State, ended.Health, ended.RestartPolicy = "exited", "", "no"
	cases := []struct {
		name       string
		containers []scene.Container
		found      []string
		exit       int
	}{
		{"all there", append(slices.Clone(all), migrate), nil, 0},
		{"the one-shot pruned", all, nil, 0},
		{"the one-shot failed", append(slices.Clone(all), failed), []string{"web.service stack_running exited block/page"}, 2},
		{"a service gone", slices.Delete(slices.Clone(all), db, db+1), []string{"web.service stack_running missing block/page"}, 2},
		{"a service ended well, though it is no one-shot", append(slices.Delete(slices.Clone(all), app, app+1), ended),
			[]string{"web.service stack_running exited block/page"}, 2},
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := openApplied(t, options)
		s.apply()
		for _, c := range cases {
			s.do(s.Podman(c.containers...))
			s.want(c.name, s.eval(), c.exit, c.found...)
		}
		s.do(s.Podman(all...))
		s.do(s.Write(applied.Path(s.state, "web"), "{"))
		s.want("record damaged", s.eval(), 3, "web.service applied_is_current unreadable block/ticket",
			"web.service stack_running record-unreadable block/unknown")
	})
}
