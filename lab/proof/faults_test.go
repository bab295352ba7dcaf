package proof

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/decide"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
	"stackpolicy/policies"
)

// undecided returns the findings of the invariants that need one of the given sections,
// when these are missing.
func undecided(t *testing.T, sections ...string) (list []string) {
	t.Helper()
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range p.Invariants() {
		if slices.ContainsFunc(i.Needs, func(need string) bool { return slices.Contains(sections, need) }) {
			list = append(list, "host "+i.ID+" gap block/unknown")
		}
	}
	return list
}

// TestNoBusDaemon checks that an audit uses the manager's own socket if there is no bus.
func TestNoBusDaemon(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		options.NoBus = true
		s := open(t, options, nil)
		s.reload()
		s.want("observing", s.eval(), 0)
		if got := s.facts().Manager.Transport; got != "private" {
			t.Errorf("transport %q, want private", got)
		}
		settle()
		s.activate("second", nil)
		s.want("enforcing", s.eval("--enforce"), 0, healed)
	})
}

type document struct {
	Manager    *struct{ State, Transport string }
	Collectors map[string]struct {
		OK    bool
		Error string
	}
	Units []struct {
		Name   string
		Loaded *struct{}
	}
}

func (s *stage) facts() document {
	s.t.Helper()
	r := s.Stackpolicy(s.t.Context(), "facts")
	var d document
	if err := json.Unmarshal([]byte(r.Out), &d); err != nil {
		s.t.Fatalf("facts: status %d: %v\n%s", r.Code, err, r.Err)
	}
	return d
}

// TestManagerGone checks that an audit without a manager is a page, and that nothing else
// is decided.
func TestManagerGone(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.do(syscall.Kill(s.PID, syscall.SIGKILL))
		s.until("the manager is gone", func() bool { return syscall.Kill(s.PID, 0) != nil })
		start := time.Now()
		want := append(undecided(t, "manager", "manager_files", "units.loaded", "units.files"), "host user_manager_running no-answer block/page")
		s.want("observing", s.eval(), 2, want...)
		s.want("enforcing", s.eval("--enforce"), 2, want...)
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("two audits without a manager took %s", d)
		}
	})
}

// TestTargetStopped checks that a stopped default.target is a page. It wants the units that
// should run: while it is stopped none of them would be missed.
func TestTargetStopped(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.systemctl("stop", "basic.target") // and all that needs it
		s.until("the stacks are stopped", func() bool { return s.property("web.service", "ActiveState") == "inactive" })
		stopped := "host user_manager_running no-target block/page"
		if r := s.eval(); r.ExitCode != 2 || !slices.Contains(r.findings(), stopped) {
			s.want("all is stopped", r, 2, stopped)
		}
		s.systemctl("start", "default.target", "stackpolicy-audit.timer")
		s.want("started again", s.eval(), 0)
	})
}

// TestOtherFolder checks that an audit with another XDG_CONFIG_HOME than the manager's is
// refused. It would judge units by a folder that the manager does not read.
func TestOtherFolder(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		r := s.Do(s.Command(t.Context(), "env", "XDG_CONFIG_HOME="+s.Home+"/elsewhere", "stackpolicy", "eval"))
		if r.Code != 3 || !strings.Contains(r.Out, "the manager does not search") || strings.Contains(r.Out, "does not answer") {
			t.Errorf("status %d, want 3 and what to do:\n%s%s", r.Code, r.Out, r.Err)
		}
	})
}

// TestUnreadableFolder checks that a folder of root's that the account may not read hides
// nothing if no managed unit has files in it, and otherwise that the files are not known.
func TestUnreadableFolder(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		for name, exit := range map[string]int{"other.service.d": 0, "other.service.wants": 0, "web.service.d": 3} {
			folder := s.Path("/etc/systemd/user/" + name)
			s.do(os.MkdirAll(folder, 0o700))
			s.do(os.Chmod(folder, 0o700))
			var unknown []string
			if exit == 3 {
				unknown = append(undecided(t, "units.files", "units.reload", "manager_files", "units.applied"),
					forEach("stack_running gap block/unknown", scene.Stacks()...)...)
			}
			s.want(name, s.eval(), exit, unknown...)
			s.do(os.Remove(folder))
		}
	})
}

// TestManagerStops checks that a manager that stops while it is read leads to a complete
// document or to a gap, never to half a document.
func TestManagerStops(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, manyUnits(300))
		s.reload()
		for range 5 {
			if !s.wholeOrGap() {
				t.Fatal("a manager that runs could not be read")
			}
		}
		stop := time.AfterFunc(20*time.Millisecond, func() { _ = syscall.Kill(s.PID, syscall.SIGTERM) })
		defer stop.Stop()
		s.until("a manager that is gone is a gap", func() bool { return !s.wholeOrGap() })
	})
}

// wholeOrGap collects facts and reports whether the manager was read. If it was not, its
// sections must be missing.
func (s *stage) wholeOrGap() bool {
	s.t.Helper()
	d := s.facts()
	ok := d.Collectors["systemd"].OK
	if ok != (d.Manager != nil) {
		s.t.Fatalf("systemd collector ok: %t, manager: %v", ok, d.Manager)
	}
	for _, u := range d.Units {
		if ok != (u.Loaded != nil) {
			s.t.Fatalf("systemd collector ok: %t, %s loaded: %v", ok, u.Name, u.Loaded)
		}
	}
	return ok
}

func manyUnits(n int) map[string]string {
	declared := map[string]string{}
	for i := range n {
		name := "many-" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "-" + time.Duration(i).String() + ".service"
		declared[unit(name)] = scene.Stamped(scene.StackUnit(name, "first"))
	}
	return declared
}

func (s *stage) until(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestReloadRefused checks that a reload that systemd's rate limit refuses is reported, and
// that nothing else happens. systemd has this limit since 253.
func TestReloadRefused(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		options.UserConf = "[Manager]\nReloadLimitIntervalSec=10min\nReloadLimitBurst=2\n"
		s := open(t, options, nil)
		s.reload()
		settle()
		s.activate("second", nil)
		r := s.eval("--enforce")
		if !is257(s.Version) {
			s.want("252 knows no limit", r, 0, healed)
			return
		}
		s.want("enforcing", r, 1, strings.Replace(stale, "planned", "refused", 1))
		if len(r.Actions) != 1 || !strings.Contains(r.Actions[0].Message, "rate limit") {
			t.Errorf("actions %+v, want one refused for the rate limit", r.Actions)
		}
	})
}

// TestReloadWithheld checks that there is no reload for one unit if it would also load an
// undeclared file of another unit.
func TestReloadWithheld(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.reload()
		settle()
		s.activate("second", nil)
		s.do(s.Write(s.Unit("files.service"), scene.StackUnit("files.service", "local")))
		r := s.eval("--enforce")
		s.want("enforcing", r, 1,
			"files.service file_declared different block/ticket", "files.service loaded_is_current withheld block/ticket",
			strings.Replace(stale, "planned", "refused", 1))
		if got := s.property("files.service", "Description"); got != "Stack files.service, first revision" {
			t.Errorf("the undeclared file was loaded: %s", got)
		}
	})
}

// TestPodman checks the findings about containers in each state.
func TestPodman(t *testing.T) {
	cases := []struct {
		name       string
		containers []scene.Container
		found      []string
		exit       int
	}{
		{"unhealthy", with("web-app-1", func(c *scene.Container) { c.Health = "unhealthy" }),
			[]string{"web.service stack_running unhealthy block/page"}, 2},
		{"a one-shot that failed", with("files-migrate-1", func(c *scene.Container) { c.ExitCode = 1 }),
			[]string{"files.service stack_running exited block/page"}, 2},
		{"a foreign label", with("web-app-1", func(c *scene.Container) { c.AutoUpdate, c.Unit = "registry", "other.service" }),
			[]string{
				"host auto_update_works stopped block/ticket", "web.service containers_labelled foreign block/page",
			}, 2},
		{"a project of nobody", append(scene.Containers(), scene.Container{Name: "stray-1", Project: "stray"}),
			[]string{"host stack_owned unowned block/ticket"}, 1},
		{"a name full of escapes", append(scene.Containers(), scene.Container{Name: "\x1b[31mred\x1b]0;t\x07\n", Project: "\u202estray"}),
			[]string{"host stack_owned unowned block/ticket"}, 1},
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.reload()
		for _, c := range cases {
			s.do(s.Podman(c.containers...))
			s.want(c.name, s.eval(), c.exit, c.found...)
			s.harmless(s.Stackpolicy(t.Context(), "eval").Out)
		}
		s.do(s.Podman(scene.Containers()...))
		s.hang()
	})
}

// with returns the sample containers, with one of them changed.
func with(name string, change func(*scene.Container)) []scene.Container {
	all := scene.Containers()
	for i := range all {
		if all[i].Name == name {
			change(&all[i])
		}
	}
	return all
}

func (s *stage) harmless(out string) {
	s.t.Helper()
	for _, r := range out {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
			s.t.Errorf("%q in the table", r)
		}
	}
}

// hang checks that a podman that hangs is a gap within its time limit, and that all other
// findings are still reported.
func (s *stage) hang() {
	s.t.Helper()
	s.do(s.Write(filepath.Join(s.Home, ".podman-hangs"), ""))
	start := time.Now()
	r := s.eval()
	if d := time.Since(start); d > 10*time.Second {
		s.t.Errorf("an audit with a hanging podman took %s", d)
	}
	s.want("podman hangs", r, 3, undecided(s.t, "podman", "units.containers", "storage")...)
	s.do(os.Remove(filepath.Join(s.Home, ".podman-hangs")))
	s.do(os.Remove(filepath.Join(s.BinDir, "podman")))
}

// TestRestart checks that a stack that lost a container is restarted only if the operator
// opted in, the unit runs, and its files are declared.
func TestRestart(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.reload()
		policies := filepath.Join(s.Home, "rules")
		if r := s.Stackpolicy(t.Context(), "policy", "copy", policies); r.Code != 0 {
			t.Fatal(r.Err)
		}
		s.do(s.Write(filepath.Join(policies, "settings.yaml"), "settings:\n  restart: [\"web*\"]\n  trust_distribution_dropins: false\n"))
		down := with("web-app-1", func(c *scene.Container) { c.State, c.ExitCode = "exited", 1 })
		s.do(s.Podman(down...))
		s.want("not opted in", s.eval("--enforce"), 2, "web.service stack_running exited block/page")

		invocation := s.property("web.service", "InvocationID")
		r := s.eval("--enforce", "--policy", policies)
		s.want("opted in, and the container stays down", r, 2, "web.service stack_running exited heal/heal-failed")
		if s.property("web.service", "InvocationID") == invocation {
			t.Error("web.service was not restarted")
		}
		s.etc("web.service.d/override.conf", dropIn)
		s.reload()
		invocation = s.property("web.service", "InvocationID")
		r = s.eval("--enforce", "--policy", policies)
		s.want("provenance blocked", r, 2,
			"web.service dropins_owned etc block/page", "web.service stack_running exited heal/refused")
		if s.property("web.service", "InvocationID") != invocation {
			t.Error("web.service was restarted although its provenance is blocked")
		}
	})
}

// TestLock checks that two enforcing audits do not run at the same time: each would change
// what the other has read.
func TestLock(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.do(s.Write(filepath.Join(s.RuntimeDir, "stackpolicy/audit.lock"), "process 1 since yesterday\n"))
		holder := s.Command(t.Context(), "flock", filepath.Join(s.RuntimeDir, "stackpolicy/audit.lock"), "sh", "-c", "echo held; sleep 60")
		out, err := holder.StdoutPipe()
		s.do(err)
		s.do(holder.Start())
		_, err = out.Read(make([]byte, 4))
		s.do(err)
		r := s.Stackpolicy(t.Context(), "eval", "--enforce")
		if r.Code != 3 || !strings.Contains(r.Err, "process 1 since yesterday") {
			t.Errorf("status %d, %q; want 3 and the holder named", r.Code, r.Err)
		}
		if r := s.Stackpolicy(t.Context(), "eval"); r.Code != 0 {
			t.Errorf("observing beside it: status %d: %s", r.Code, r.Err)
		}
	})
}
