package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestPlainFiles checks units that only the configuration manages. Such a unit is declared
// by a file in the user's folder that belongs to the user and that nobody else can write
// to.
func TestPlainFiles(t *testing.T) {
	const stacks = "stacks: {web: {}, files: {}, feeds: {}}\n"
	const config = ".config/stackpolicy/config.yaml"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{config: "units: [\"plain-*.service\"]\n" + stacks})
		path := s.Unit("plain-a.service")
		s.do(s.Write(path, scene.StackUnit("plain-a.service", "first")))
		s.reload()
		s.systemctl("start", "plain-a.service")
		s.want("in order", s.eval("plain-a"), 0)

		settle()
		s.do(s.Write(path, scene.StackUnit("plain-a.service", "second")))
		s.want("edited", s.eval("--enforce"), 0, "plain-a.service loaded_is_current stale heal/healed")

		s.do(os.Chmod(path, 0o664))
		s.want("writable by the user's own group", s.eval("--enforce"), 0)
		s.do(os.Chmod(path, 0o666))
		s.want("writable by others", s.eval("--enforce"), 2,
			"plain-a.service file_declared unsafe block/page") // an audit saw this content loaded
		s.do(os.Chmod(path, 0o644))

		s.do(s.Activate(map[string]string{config: "units: [plain-a.service, absent.service]\n" + stacks}))
		s.want("a named unit that is nowhere", s.eval("absent"), 2,
			"absent.service file_declared missing block/page", "absent.service fragment_in_user_dir not-found block/page")

		s.do(s.Activate(map[string]string{config: "units: [\"plian-*.service\"]\n" + stacks}))
		s.want("a pattern that matches nothing", s.eval(), 3)

		s.do(s.Activate(map[string]string{config: "unts: [plain-a.service]\n" + stacks}))
		if r := s.Stackpolicy(t.Context(), "eval"); r.Code != 3 {
			t.Errorf("a misspelt key: status %d: %s%s", r.Code, r.Out, r.Err)
		}
	})
}

// TestAPatternForAll checks that a pattern means the units of the user's own, and neither the
// distribution's nor those that systemd makes. One of the user's own that the distribution's
// replaces stays managed.
func TestAPatternForAll(t *testing.T) {
	const config = ".config/stackpolicy/config.yaml"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{config: "units: [\"*\"]\n"})
		s.do(s.Podman())
		s.do(os.RemoveAll(filepath.Join(s.Home, ".local/state/home-manager")))
		for _, name := range []string{"one.service", "t@.service", "stopped.service"} {
			s.do(s.Write(s.Unit(name), "[Unit]\nAfter=nowhere.service\n"+scene.StackUnit(name, "first")))
		}
		s.do(s.Write(s.Path("/usr/lib/systemd/user/one.service"), scene.StackUnit("one.service", "other")))
		s.reload()
		s.systemctl("start", "one.service", "t@a.service")
		s.want("in order", s.eval("one", "t@", "t@a", "stopped"), 0)
		for _, f := range s.eval().findings() {
			if strings.Contains(f, "missing") || strings.Contains(f, "fragment_in_user_dir") {
				t.Error("accused: ", f)
			}
		}
		// What was the user's is missed, whatever is read since.
		s.do(os.Remove(s.Unit("one.service")))
		s.do(os.Remove(s.Unit("stopped.service")))
		s.do(s.Write(s.Unit("needs.service"), "[Unit]\nAfter=stopped.service\n"+scene.StackUnit("needs.service", "first")))
		s.systemctl("start", "needs.service")
		for i := range 3 {
			s.reload()
			got := strings.Join(s.eval().findings(), "\n")
			stopped := "host file_declared gone block/ticket"
			if i == 0 {
				stopped = "stopped.service fragment_in_user_dir not-found block/page"
			}
			for _, want := range []string{"one.service file_declared missing block/page", "one.service fragment_in_user_dir distribution block/page", stopped} {
				if !strings.Contains(got, want) {
					t.Errorf("audit %d has not found: %s", i+1, want)
				}
			}
		}
	})
}

// TestAUnitOfTheDistributionIsNotMissed checks that a unit that is not the user's is not missed as one
// that was, if an earlier audit judged it.
func TestAUnitOfTheDistributionIsNotMissed(t *testing.T) {
	const config = ".config/stackpolicy/config.yaml"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{config: "units: [plain.service, dist.service]\n"})
		s.do(s.Podman())
		s.do(os.RemoveAll(filepath.Join(s.Home, ".local/state/home-manager")))
		s.do(s.Write(s.Unit("plain.service"), scene.StackUnit("plain.service", "first")))
		s.do(s.Write(s.Path("/usr/lib/systemd/user/dist.service"), scene.StackUnit("dist.service", "first")))
		s.reload()
		s.want("by its name", s.eval("dist"), 2,
			"dist.service file_declared missing block/page", "dist.service fragment_in_user_dir distribution block/page")
		s.do(s.Write(filepath.Join(s.Home, config), "units: [\"*.service\"]\n"))
		for _, f := range s.eval().findings() {
			if strings.Contains(f, " gone ") {
				t.Error(f)
			}
		}
	})
}

// TestAnAlias checks that an alias that systemctl enable made is no unit of its own, whether the
// pattern means the unit, the alias, or both.
func TestAnAlias(t *testing.T) {
	const config = ".config/stackpolicy/config.yaml"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.do(s.Podman())
		s.do(os.RemoveAll(filepath.Join(s.Home, ".local/state/home-manager")))
		s.do(s.Write(s.Unit("www.service"), scene.StackUnit("www.service", "first")+"[Install]\nAlias=w3.service\n"))
		s.reload()
		s.systemctl("enable", "www.service")
		s.systemctl("start", "w3.service")
		for _, pattern := range []string{"w*.service", "www.service", "w3.service"} {
			s.do(s.Write(filepath.Join(s.Home, config), "units: [\""+pattern+"\"]\n"))
			s.want(pattern, s.eval(), 0)
		}
		s.do(s.Write(filepath.Join(s.Home, config), "units: [\"w*.service\"]\n"))
		if r := s.Stackpolicy(t.Context(), "eval", "w3"); r.Code != 3 || !strings.Contains(r.Err, "www.service") {
			t.Errorf("by the alias: status %d, want 3 and the unit's own name: %s", r.Code, r.Err)
		}
		settle()
		s.do(s.Write(s.Unit("www.service"), scene.StackUnit("www.service", "second")))
		s.want("edited", s.eval(), 1, "www.service loaded_is_current stale heal/planned")
	})
}

// TestGone checks that a unit is missed that was removed altogether, while its pattern still
// matches another one: only the memory knows of it.
func TestGone(t *testing.T) {
	const config = ".config/stackpolicy/config.yaml"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{config: "units: [\"plain-*.service\"]\n"})
		s.do(s.Podman())
		s.do(os.RemoveAll(filepath.Join(s.Home, ".local/state/home-manager")))
		for _, name := range []string{"plain-a.service", "plain-b.service"} {
			s.do(s.Write(s.Unit(name), scene.StackUnit(name, "first")))
		}
		s.reload()
		s.systemctl("start", "plain-a.service", "plain-b.service")
		s.want("both", s.eval(), 0)

		s.systemctl("stop", "plain-b.service")
		s.do(os.Remove(s.Unit("plain-b.service")))
		s.reload()
		for range 2 {
			s.want("one is gone", s.eval(), 1, "host file_declared gone block/ticket")
		}
		s.do(s.Write(s.Unit("plain-b.service"), scene.StackUnit("plain-b.service", "second")))
		s.reload()
		s.want("back", s.eval(), 0)
	})
}
