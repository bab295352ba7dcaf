package proof

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// bait is a file that a reload would read, in addition to the units' own files. It is not
// declared and was written after the last load.
type bait struct {
	name  string
	put   func(*stage)
	found []string // besides files.service, whose reload is refused
	exit  int
	isFor bool // it applies to files.service
	// isNobodys says that it is about no managed unit: once it is in force nothing is found.
	isNobodys bool
	// isInForce reports whether the manager has loaded it.
	isInForce func(*stage) bool
}

const (
	evilUnit    = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
	pullsEvil   = "web.service links_resolve pulls block/ticket"
	newForHost  = "host manager_environment_owned withheld block/ticket"
	unsafeThere = "host manager_environment_owned unsafe block/page"
)

var baits = []bait{
	{
		name: "a drop-in of an alias on disk",
		put: func(s *stage) {
			s.do(os.Symlink(s.Unit("web.service"), s.Path("/etc/systemd/user/zz.service")))
			s.etc("zz.service.d/evil.conf", dropIn)
		},
		found: []string{"web.service dropins_owned etc block/page", withheld}, exit: 2,
		isInForce: func(s *stage) bool { return strings.Contains(s.property("web.service", "DropInPaths"), "evil.conf") },
	},
	{
		name:  "web.service.wants in the home",
		put:   func(s *stage) { s.pull(s.Unit("web.service.wants/evil.service")) },
		found: []string{pullsEvil}, exit: 1,
		isInForce: func(s *stage) bool { return strings.Contains(s.property("web.service", "Wants"), "evil.service") },
	},
	{
		name: "web.service.requires in /etc",
		put: func(s *stage) {
			s.etc("evil.service", evilUnit)
			s.do(os.Mkdir(s.Path("/etc/systemd/user/web.service.requires"), 0o755))
			s.do(os.Symlink("../evil.service", s.Path("/etc/systemd/user/web.service.requires/evil.service")))
		},
		found: []string{pullsEvil}, exit: 1,
		isInForce: func(s *stage) bool { return strings.Contains(s.property("web.service", "Requires"), "evil.service") },
	},
	{
		name:  "the type's own folder, service.wants",
		put:   func(s *stage) { s.pull(s.Unit("service.wants/evil.service")) },
		found: forEach("links_resolve pulls block/ticket", services...), exit: 1, isFor: true,
		isInForce: func(s *stage) bool { return strings.Contains(s.property("web.service", "Wants"), "evil.service") },
	},
	{
		name:  "environment.d",
		put:   func(s *stage) { s.do(s.Write(filepath.Join(s.Home, ".config/environment.d/evil.conf"), "EVIL=yes\n")) },
		found: []string{newForHost}, exit: 1, isInForce: hasEvil,
	},
	{
		name: "environment.d, a folder that was moved there with an old file",
		put: func(s *stage) {
			s.do(os.Rename(filepath.Join(s.Home, ".config/old"), filepath.Join(s.Home, ".config/environment.d")))
		},
		found: []string{newForHost}, exit: 1, isInForce: hasEvil,
	},
	{
		name: "user.conf.d",
		put: func(s *stage) {
			s.do(s.Write(filepath.Join(s.Home, ".config/systemd/user.conf.d/evil.conf"), "[Manager]\nDefaultTimeoutStopSec=7s\n"))
		},
		found: []string{newForHost}, exit: 1, isInForce: hasTimeout,
	},
	{
		name: "user.conf",
		put: func(s *stage) {
			s.do(s.Write(filepath.Join(s.Home, ".config/systemd/user.conf"), "[Manager]\nDefaultTimeoutStopSec=7s\n"))
		},
		found: []string{newForHost}, exit: 1, isInForce: hasTimeout,
	},
	{
		name: "an environment generator of the account's",
		put: func(s *stage) {
			s.own(s.asRoot("/etc/systemd/user-environment-generators/evil", "#!/bin/sh\necho EVIL=yes\n", 0o755))
		},
		found: []string{unsafeThere}, exit: 2, isInForce: hasEvil,
	},
	{
		name: "a target that upholds a unit: systemd starts that at the reload",
		put: func(s *stage) {
			s.do(s.Write(s.Unit("evil.service"), evilUnit))
			s.do(s.Write(s.Unit("default.target.d/evil.conf"), "[Unit]\nUpholds=evil.service\n"))
		},
		found: []string{newForHost}, exit: 1, isInForce: evilRuns, isNobodys: true,
	},
	{
		name:  "a generator that others can write",
		put:   func(s *stage) { s.asRoot("/etc/systemd/user-generators/evil", writesDropIn, 0o777) },
		found: []string{unsafeThere}, exit: 2,
		isInForce: func(s *stage) bool { return strings.Contains(s.property("web.service", "DropInPaths"), "evil.conf") },
	},
}

const writesDropIn = "#!/bin/sh\nmkdir -p \"$1/web.service.d\"\nprintf '[Service]\\nNice=1\\n' >\"$1/web.service.d/evil.conf\"\n"

func hasEvil(s *stage) bool { return strings.Contains(s.systemctl("show-environment"), "EVIL=yes") }

func evilRuns(s *stage) bool {
	return s.within(time.Second, func() bool { return s.property("evil.service", "ActiveState") == "active" })
}

func hasTimeout(s *stage) bool {
	return s.systemctl("show", "--value", "--property=DefaultTimeoutStopUSec") == "7s"
}

// pull makes a unit want or require evil.service, by a link at the given path.
func (s *stage) pull(link string) {
	s.t.Helper()
	s.do(s.Write(s.Unit("evil.service"), evilUnit))
	s.do(s.Link("../evil.service", link))
}

// asRoot writes a file as root.
func (s *stage) asRoot(path, text string, mode os.FileMode) string {
	s.t.Helper()
	path = s.Path(path)
	s.do(os.MkdirAll(filepath.Dir(path), 0o755))
	s.do(os.WriteFile(path, []byte(text), mode))
	s.do(os.Chmod(path, mode)) // the umask must have no effect
	return path
}

func (s *stage) own(path string) {
	s.t.Helper()
	s.do(os.Lchown(path, s.UID, s.GID))
}

// staleFiles makes files.service stale by a declared change.
func (s *stage) staleFiles(more map[string]string) {
	s.t.Helper()
	declared := map[string]string{unit("files.service"): scene.StackUnit("files.service", "second")}
	for path, text := range more {
		declared[path] = text
	}
	s.do(s.Activate(declared))
}

const (
	filesRefused = "files.service loaded_is_current stale heal/refused"
	filesHealed  = "files.service loaded_is_current stale heal/healed"
)

// needsRoot skips a test that writes files as root.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: files of root's and of the account's are one here; run it as root")
	}
}

// TestReloadBringsNothingNew checks that a reload that would heal one unit is refused if it
// would also load something undeclared. What forbids it is a finding.
func TestReloadBringsNothingNew(t *testing.T) {
	needsRoot(t)
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		for _, b := range baits {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				s := open(t, options, map[string]string{unit("files.service"): scene.StackUnit("files.service", "first")})
				s.do(s.Write(filepath.Join(s.Home, ".config/old/evil.conf"), "EVIL=yes\n"))
				s.reload()
				s.want("before", s.eval(), 0)
				settle()
				b.put(s)
				s.staleFiles(nil)
				refused := filesRefused
				if b.isFor {
					refused = "files.service loaded_is_current withheld block/ticket"
				}
				s.want("enforcing", s.eval("--enforce"), b.exit, append(slices.Clip(b.found), refused)...)
				if b.isInForce(s) {
					t.Error("the reload brought it in force")
				}
				s.reload()
				if !b.isInForce(s) {
					t.Error("it is not in force after any reload: this test proves nothing")
				}
				if r := s.eval(); r.ExitCode == 0 && !b.isNobodys {
					t.Error("it is in force, and nothing is found")
				}
			})
		}
	})
}

// lawful is a file that a reload reads and that is no reason to refuse it.
var lawful = []struct {
	name     string
	declared map[string]string
	put      func(*stage)
}{
	{name: "the administrator's environment.d", put: func(s *stage) { s.asRoot("/etc/environment.d/proxy.conf", "PROXY=1\n", 0o644) }},
	{name: "the administrator's user.conf.d", put: func(s *stage) {
		s.asRoot("/etc/systemd/user.conf.d/limits.conf", "[Manager]\nDefaultTimeoutStopSec=70s\n", 0o644)
	}},
	{name: "the administrator's generator", put: func(s *stage) {
		s.asRoot("/etc/systemd/user-generators/own", "#!/bin/sh\nprintf '[Service]\\nExecStart=/bin/true\\n' >\"$1/made.service\"\n", 0o755)
	}},
	{name: "the distribution's generators and environment", put: func(s *stage) {
		s.asRoot("/usr/local/lib/systemd/user-generators/vendor", "#!/bin/sh\n", 0o755)
		s.asRoot("/usr/local/lib/environment.d/vendor.conf", "VENDOR=1\n", 0o644)
	}},
	{
		name: "Home Manager's environment.d and user.conf",
		declared: map[string]string{
			".config/environment.d/10-home-manager.conf": "A=1\n", ".config/systemd/user.conf": "[Manager]\nDefaultTimeoutStopSec=71s\n",
		}, put: func(*stage) {},
	},
	{name: "a declared link of the unit's own", declared: map[string]string{unit("web.service.wants/feeds.service"): "-> ../feeds.service"}, put: func(*stage) {}},
	{name: "an alias without a folder", put: func(s *stage) { s.do(os.Symlink(s.Unit("web.service"), s.Path("/etc/systemd/user/zz.service"))) }},
}

// TestReloadReadsTheSystems checks that files of the system and declared files do not
// prevent a reload, and are no findings.
func TestReloadReadsTheSystems(t *testing.T) {
	needsRoot(t)
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		for _, l := range lawful {
			t.Run(l.name, func(t *testing.T) {
				t.Parallel()
				s := open(t, options, map[string]string{unit("files.service"): scene.StackUnit("files.service", "first")})
				s.reload()
				settle()
				l.put(s)
				s.staleFiles(l.declared)
				r := s.eval("--enforce")
				others := slices.DeleteFunc(r.findings(), func(f string) bool { return strings.Contains(f, "loaded_is_current stale heal/healed") })
				if len(others) > 0 || r.ExitCode != 0 || !slices.Contains(r.findings(), filesHealed) {
					s.want("enforcing", r, 0, filesHealed)
				}
				s.want("afterwards", s.eval(), 0)
			})
		}
	})
}

// TestReloadOfAPlainAccount checks an account without Home Manager, where the user's own
// folders are the declaration. Changes that a reload would load are reported, and do not
// prevent it.
func TestReloadOfAPlainAccount(t *testing.T) {
	const config = ".config/stackpolicy/config.yaml"
	const unread = "host manager_environment_owned unread block/ticket"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{config: "units: [\"plain-*.service\"]\n"})
		s.do(s.Podman())
		s.do(os.RemoveAll(filepath.Join(s.Home, ".local/state/home-manager")))
		s.do(s.Write(s.Unit("plain-a.service"), scene.StackUnit("plain-a.service", "first")))
		s.do(s.Write(filepath.Join(s.Home, ".config/environment.d/mine.conf"), "MINE=1\n"))
		s.reload()
		s.systemctl("start", "plain-a.service")
		s.want("in order", s.eval(), 0)
		settle()
		s.do(s.Write(filepath.Join(s.Home, ".config/environment.d/mine.conf"), "MINE=2\n"))
		s.want("changed", s.eval(), 1, unread)
		s.do(s.Write(s.Unit("plain-a.service"), scene.StackUnit("plain-a.service", "second")))
		s.want("a unit changed too", s.eval("--enforce"), 1, unread, "plain-a.service loaded_is_current stale heal/healed")
		s.want("afterwards", s.eval(), 0)
	})
}

// TestOurReloadLoaded checks a reload that loads something that could not be known before,
// such as a file that a generator writes. Afterwards it is a page, and nothing about that
// unit counts as healed.
func TestOurReloadLoaded(t *testing.T) {
	needsRoot(t)
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{
			unit("files.service"): scene.StackUnit("files.service", "first"), unit("web.service"): scene.StackUnit("web.service", "first"),
		})
		s.reload()
		settle()
		s.asRoot("/etc/systemd/user-generators/site", writesDropIn, 0o755)
		s.staleFiles(map[string]string{unit("web.service"): scene.StackUnit("web.service", "second")})
		r := s.eval("--enforce")
		s.want("enforcing", r, 2, filesHealed,
			"web.service dropins_owned outranking block/page", "web.service loaded_is_current reload-loaded block/page",
			"web.service loaded_is_current stale heal/heal-failed")
		path := filepath.Join(s.RuntimeDir, "systemd/generator/web.service.d/evil.conf")
		said := false
		for _, d := range r.Decisions {
			said = said || d.Message == "our reload loaded "+path+", which nothing declares"
		}
		if !said {
			t.Errorf("no finding says that our reload loaded %s", path)
		}
		s.want("afterwards", s.eval("--enforce"), 2, "web.service dropins_owned outranking block/page")
	})
}

// TestRestartStartsNothingElse checks that a stack is not restarted if that would start a
// stopped unit that is not declared, or if the unit has an undeclared drop-in. The rules of
// the policy folder cannot change this.
func TestRestartStartsNothingElse(t *testing.T) {
	needsRoot(t)
	const refused = "web.service stack_running exited heal/refused"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		bare := s.bareRules()
		down := with("web-app-1", func(c *scene.Container) { c.State, c.ExitCode = "exited", 1 })
		s.do(s.Podman(down...))
		s.want("nothing undeclared", s.eval("--enforce", "--policy", bare), 2, "web.service stack_running exited heal/heal-failed")

		s.pull(s.Unit("web.service.wants/evil.service"))
		s.reload()
		r := s.eval("--enforce", "--policy", bare)
		s.want("it would start evil.service", r, 1, refused)
		if got := s.property("evil.service", "ActiveState"); got != "inactive" {
			t.Errorf("evil.service is %s", got)
		}
		s.do(os.RemoveAll(s.Unit("web.service.wants")))
		s.want("only the manager still has the link", s.eval("--enforce", "--policy", bare), 1, refused)
		if got := s.property("evil.service", "ActiveState"); got != "inactive" {
			t.Errorf("evil.service is %s", got)
		}
		s.reload()
		s.etc("web.service.d/override.conf", dropIn)
		s.reload()
		invocation := s.property("web.service", "InvocationID")
		s.want("an undeclared drop-in", s.eval("--enforce", "--policy", bare), 1, refused)
		if s.property("web.service", "InvocationID") != invocation {
			t.Error("web.service was restarted although it runs an undeclared drop-in")
		}
	})
}

// bareRules writes a policy folder that has only stack_running, and allows restarts of
// web.service.
func (s *stage) bareRules() string {
	s.t.Helper()
	folder := filepath.Join(s.Home, "rules")
	if r := s.Stackpolicy(s.t.Context(), "policy", "copy", folder); r.Code != 0 {
		s.t.Fatal(r.Err)
	}
	rules, err := os.ReadDir(filepath.Join(folder, "invariants"))
	s.do(err)
	for _, rule := range rules {
		if rule.Name() != "stack_running" {
			s.do(os.RemoveAll(filepath.Join(folder, "invariants", rule.Name())))
		}
	}
	s.do(s.Write(filepath.Join(folder, "settings.yaml"), "settings:\n  restart: [\"web*\"]\n  budget: {unit: 20, host: 20, window: 1h}\n  breaker: {failures: 20, cooldown: 6h}\n"))
	return folder
}

// TestAnAliasOfATemplate checks that what is put into the folders of another name of a template,
// or of that of one instance, holds back a reload: the manager reads it for each instance.
func TestAnAliasOfATemplate(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		instance := map[string]string{
			unit("inst@.service"):                       daemon,
			unit("default.target.wants/inst@a.service"): "-> ../inst@.service",
			unit("files.service"):                       scene.StackUnit("files.service", "first"),
		}
		for name, c := range map[string]struct {
			alias, path string // of the link and of what is put; "" puts nothing
			isInForce   func(*stage) bool
		}{
			"a link of the alias":                 {"zz@.service", "zz@.service.requires/evil.service", func(s *stage) bool { return strings.Contains(s.property("inst@a.service", "Requires"), "evil.service") }},
			"a drop-in of the alias":              {"zz@.service", "zz@.service.d/evil.conf", hasEvilDropIn},
			"a drop-in of the alias's instance":   {"zz@.service", "zz@a.service.d/evil.conf", hasEvilDropIn},
			"an alias of one instance":            {"zz@a.service", "zz@a.service.d/evil.conf", hasEvilDropIn},
			"a drop-in of another instance":       {"zz@.service", "zz@b.service.d/evil.conf", nil},
			"an alias of another instance":        {"zz@b.service", "zz@b.service.d/evil.conf", nil},
			"an alias of a template, and no more": {"zz@.service", "", nil},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := open(t, options, instance)
				s.systemctl("start", "inst@a.service")
				s.reload()
				settle()
				s.do(s.Link("inst@.service", s.Unit(c.alias)))
				switch {
				case strings.HasSuffix(c.path, ".conf"):
					s.do(s.Write(s.Unit(c.path), dropIn))
				case c.path != "":
					s.pull(s.Unit(c.path))
				}
				s.staleFiles(map[string]string{unit("inst@.service"): daemon, unit("default.target.wants/inst@a.service"): "-> ../inst@.service"})
				r := s.eval("--enforce")
				refused := slices.ContainsFunc(r.Actions, func(a struct{ Action, Subject, Status, Message string }) bool { return a.Status == "refused" })
				if refused != (c.isInForce != nil) {
					s.want("enforcing", r, 0)
				}
				s.reload()
				if inForce := c.isInForce != nil && c.isInForce(s); inForce != refused {
					t.Errorf("refused %t, in force after a reload %t", refused, inForce)
				}
				about := slices.ContainsFunc(s.eval().findings(), func(f string) bool { return strings.HasPrefix(f, "inst@a.service ") })
				if about != refused {
					s.want("afterwards", s.eval(), 0)
				}
			})
		}
	})
}

func hasEvilDropIn(s *stage) bool {
	return strings.Contains(s.property("inst@a.service", "DropInPaths"), "evil.conf")
}

// TestReloadOfAnIdleUnitsLink checks that a link which nobody declared, by which a target would
// pull in a unit that is not in memory, is brought in force by no reload of ours.
func TestReloadOfAnIdleUnitsLink(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		quiet := scene.UnitDir + "/quiet.service"
		s := open(t, options, map[string]string{quiet: evilUnit})
		time.Sleep(scene.ClockTick)
		s.do(s.Activate(map[string]string{quiet: evilUnit, scene.UnitDir + "/files.service": scene.StackUnit("files.service", "second")}))
		s.do(os.MkdirAll(s.Unit("basic.target.wants"), 0o755))
		s.do(os.Symlink("../quiet.service", s.Unit("basic.target.wants/quiet.service")))
		r := s.eval("--enforce")
		if wants := s.property("basic.target", "Wants"); strings.Contains(wants, "quiet.service") {
			t.Errorf("our reload brought the link in force: %s", wants)
		}
		isWithheld := slices.Contains(r.findings(), "quiet.service loaded_is_current withheld block/ticket")
		if r.ExitCode == 0 || !isWithheld {
			t.Errorf("status %d, want a reload that is held back:\n%s", r.ExitCode, strings.Join(r.findings(), "\n"))
		}
	})
}
