package proof

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// intrusion is a file that somebody added or that replaces a declared one. Most are in
// force after a reload. None may be healed.
type intrusion struct {
	name     string
	declared map[string]string
	change   func(*stage)
	found    []string
	exit     int
}

var intrusions = []intrusion{
	{
		name: "masked",
		change: func(s *stage) {
			s.do(s.Link("/dev/null", s.Unit("web.service")))
			s.reload()
		},
		found: []string{
			"web.service file_declared mask block/page", "web.service fragment_in_user_dir masked block/page",
		}, exit: 2,
	},
	{
		name:   "masked at run time, which a file in the user's folder outranks",
		change: func(s *stage) { s.systemctl("mask", "--runtime", "web.service") },
	},
	{
		name: "link dangles, reloaded",
		change: func(s *stage) {
			s.do(os.RemoveAll(filepath.Dir(s.Current.Sources[unit("web.service")])))
			s.reload()
		},
		found: []string{
			"web.service file_declared dangling block/page", "web.service fragment_in_user_dir not-found block/page",
			"web.service links_resolve dangling block/ticket",
		}, exit: 2,
	},
	{
		name: "a folder in the link's place, not yet read",
		change: func(s *stage) {
			s.do(os.Remove(s.Unit("web.service")))
			s.do(os.Mkdir(s.Unit("web.service"), 0o755))
		},
		found: []string{withheld, "web.service file_declared directory block/page"}, exit: 2,
	},
	{
		name: "shadowed from user.control, not yet read",
		change: func(s *stage) {
			s.do(s.Write(filepath.Join(s.Home, ".config/systemd/user.control/web.service"), scene.StackUnit("web.service", "shadow")))
		},
		found: []string{withheld, "web.service no_unread_definition withheld block/page"}, exit: 2,
	},
	{
		name: "shadowed from user.control, in force",
		change: func(s *stage) {
			s.do(s.Write(filepath.Join(s.Home, ".config/systemd/user.control/web.service"), scene.StackUnit("web.service", "shadow")))
			s.reload()
		},
		found: []string{"web.service fragment_in_user_dir outranked block/page"}, exit: 2,
	},
	{
		name: "drop-in in /etc/systemd/user/NAME.d",
		change: func(s *stage) {
			s.etc("web.service.d/override.conf", dropIn)
			s.reload()
		},
		found: []string{"web.service dropins_owned etc block/page"}, exit: 2,
	},
	{
		name:   "drop-in in /etc not yet read",
		change: func(s *stage) { s.etc("web.service.d/override.conf", dropIn) },
		found:  []string{"web.service dropins_owned etc block/page", withheld}, exit: 2,
	},
	{
		name: "drop-in for every service, in service.d",
		change: func(s *stage) {
			s.etc("service.d/override.conf", "[Service]\nNice=1\n")
			s.reload()
		},
		found: forEach("dropins_owned etc block/page", services...),
		exit:  2,
	},
	{
		name:   "drop-in with a name that is not UTF-8, not yet read",
		change: func(s *stage) { s.etc("web.service.d/\xff.conf", dropIn) },
		found:  []string{"web.service dropins_owned etc block/page", withheld}, exit: 2,
	},
	{
		name: "drop-in with a name that is not UTF-8, in force",
		change: func(s *stage) {
			s.etc("web.service.d/\xff.conf", dropIn)
			s.reload()
		},
		found: []string{"web.service dropins_owned etc block/page"}, exit: 2,
	},
	{
		name:     "prefix drop-in in foo-.service.d",
		declared: map[string]string{unit("foo-bar.service"): scene.Stamped(scene.StackUnit("foo-bar.service", "first"))},
		change: func(s *stage) {
			s.etc("foo-.service.d/override.conf", dropIn)
			s.reload()
			s.systemctl("start", "foo-bar.service")
		},
		found: []string{"foo-bar.service dropins_owned etc block/page"}, exit: 2,
	},
	{
		name: "systemctl edit",
		change: func(s *stage) {
			s.do(s.Write(s.Unit("web.service.d/override.conf"), dropIn))
			s.reload()
		},
		found: []string{"web.service dropins_owned undeclared block/page"}, exit: 2,
	},
	{
		name:   "systemctl set-property",
		change: func(s *stage) { s.systemctl("set-property", "web.service", "CPUWeight=50") },
		// The manager reads it without a reload, so there is no load time.
		found: []string{"web.service dropins_owned outranking block/page", withheld}, exit: 2,
	},
	{
		name: "drop-in of the distribution",
		change: func(s *stage) {
			path := s.Path("/usr/lib/systemd/user/web.service.d/vendor.conf")
			s.do(os.MkdirAll(filepath.Dir(path), 0o755))
			s.do(os.WriteFile(path, []byte(dropIn), 0o644))
			s.reload()
		},
		found: []string{"web.service dropins_owned distribution block/ticket"}, exit: 1,
	},
	{
		name: "enabled by hand: a wants link straight into the store",
		change: func(s *stage) {
			s.do(s.Link(s.Current.Sources[unit("web.service")], s.Unit("basic.target.wants/web.service")))
		},
		found: []string{withheld, "web.service links_resolve undeclared block/ticket"}, exit: 1,
	},
	{
		name: "an escaped and a templated name hold",
		declared: map[string]string{
			unit(`mnt-data\x2dset.service`):                      scene.Stamped(scene.StackUnit("data", "first")),
			unit("web@.service"):                                 scene.Stamped(scene.StackUnit("web@%i", "first")),
			unit("default.target.wants/web@one.service"):         "-> ../web@.service",
			unit(`default.target.wants/mnt-data\x2dset.service`): `-> ../mnt-data\x2dset.service`,
		},
		change: func(s *stage) { s.systemctl("start", `mnt-data\x2dset.service`, "web@one.service") },
	},
	{
		name: "an escaped and a templated name drift",
		declared: map[string]string{
			unit(`mnt-data\x2dset.service`): scene.StackUnit("data", "first"),
			unit("web@.service"):            scene.StackUnit("web@%i", "first"),
		},
		change: func(s *stage) {
			s.systemctl("start", `mnt-data\x2dset.service`, "web@one.service")
			s.do(s.Write(s.Unit(`mnt-data\x2dset.service`), "[Service]\nType=oneshot\nExecStart=/bin/false\n"))
			s.do(s.Write(s.Unit("web@.service"), "[Service]\nType=oneshot\nExecStart=/bin/false\n"))
		},
		found: []string{
			`mnt-data\x2dset.service file_declared different block/ticket`, `mnt-data\x2dset.service loaded_is_current withheld block/ticket`,
			"web@.service file_declared different block/ticket",
			"web@one.service file_declared different block/ticket", "web@one.service loaded_is_current withheld block/ticket",
		}, exit: 1,
	},
	{
		name: "a hand-written unit is never judged",
		change: func(s *stage) {
			s.do(s.Write(s.Unit("mine.service"), "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"))
			s.etc("mine.service.d/x.conf", dropIn)
			s.reload()
			s.systemctl("start", "mine.service")
			s.do(s.Write(s.Unit("mine.service"), "[Service]\nExecStart=/bin/false\n"))
		},
	},
	{
		name: "an older generation's link",
		change: func(s *stage) {
			old := s.Current
			s.activate("second", nil)
			s.reload()
			s.do(s.Link(filepath.Join(old.HomeFiles, unit("web.service")), s.Unit("web.service")))
		},
		found: []string{"host activation_current half-finished block/page"}, exit: 2,
	},
	{
		name:   "a backup in the way",
		change: func(s *stage) { s.do(s.Write(s.Unit("web.service.bak"), "old")) },
		found:  []string{"host no_blocking_backup uncertain block/ticket"}, exit: 1,
	},
	{
		name:   "failed, while its containers run",
		change: func(s *stage) { s.fail("web.service") },
		found:  []string{"web.service unit_not_failed still-running block/ticket"}, exit: 1,
	},
	{
		name: "failed, and its containers are down",
		change: func(s *stage) {
			s.fail("web.service")
			s.do(s.Podman(scene.Container{Name: "web-app-1", Unit: "web.service", State: "exited", ExitCode: 137}))
		},
		found: []string{
			"feeds.service stack_running no-containers block/page", "files.service stack_running no-containers block/page",
			"web.service unit_not_failed down block/page",
		}, exit: 2,
	},
}

func forEach(finding string, units ...string) []string {
	var list []string
	for _, u := range units {
		list = append(list, u+" "+finding)
	}
	return list
}

// fail makes a unit fail, as a failed apply does, without a change of its files.
func (s *stage) fail(name string) {
	s.t.Helper()
	s.systemctl("set-environment", "APPLY=fail")
	if _, err := s.Systemctl(s.t.Context(), "restart", name); err == nil {
		s.t.Fatalf("%s did not fail", name)
	}
}

// TestIntrusions checks that every intrusion is a finding and is not changed.
func TestIntrusions(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		for _, i := range intrusions {
			t.Run(i.name, func(t *testing.T) {
				t.Parallel()
				s := open(t, options, i.declared)
				s.reload()
				settle()
				i.change(s)
				s.want("observing", s.eval(), i.exit, i.found...)
				before := s.systemctl("list-units", "--all", "--plain", "--no-legend")
				r := s.eval("--enforce")
				s.want("enforcing", r, i.exit, i.found...)
				if after := s.systemctl("list-units", "--all", "--plain", "--no-legend"); before != after {
					t.Errorf("enforcing changed the units\nfrom\n%s\nto\n%s", before, after)
				}
				if len(r.Actions) > 0 {
					t.Errorf("actions %v, want none", r.actions())
				}
			})
		}
	})
}

// TestMigration moves a unit from /etc/systemd/user into the user's folder. The old
// definition runs until the manager reloads.
func TestMigration(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		t.Run("run", func(t *testing.T) {
			s := open(t, options, map[string]string{unit("default.target.wants/web.service"): "-", unit("web.service"): "-"})
			s.etc("web.service", scene.StackUnit("web.service", "legacy"))
			s.reload()
			s.systemctl("start", "web.service")
			settle()
			s.activate("first", nil)
			if got := s.property("web.service", "NeedDaemonReload"); got != "no" {
				t.Errorf("NeedDaemonReload=%s, want no: systemd behaves otherwise than was measured", got)
			}
			unread := []string{
				"web.service fragment_in_user_dir unread heal/planned", stale, "web.service no_unread_definition unread heal/planned",
			}
			s.want("observing", s.eval(), 1, unread...)
			r := s.eval("--enforce")
			for i := range unread {
				unread[i] = strings.Replace(unread[i], "planned", "healed", 1)
			}
			s.want("enforcing", r, 0, unread...)
			if got := s.property("web.service", "FragmentPath"); got != s.Unit("web.service") {
				t.Errorf("FragmentPath=%s after the reload", got)
			}
		})
	})
}

// TestGhost checks that the failed state of a unit that no longer exists is reset, and no
// other.
func TestGhost(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.do(s.Write(s.Unit("ghost.service"), "[Service]\nExecStart=/bin/false\n"))
		s.reload()
		_, _ = s.Systemctl(t.Context(), "start", "--wait", "ghost.service")
		s.do(os.Remove(s.Unit("ghost.service")))
		s.reload()
		settle()
		s.want("observing", s.eval(), 1, "ghost.service no_ghost_failure ghost heal/planned")
		r := s.eval("--enforce")
		s.want("enforcing", r, 0, "ghost.service no_ghost_failure ghost heal/healed")
		if got := s.property("ghost.service", "ActiveState"); got != "inactive" {
			t.Errorf("ActiveState=%s after the reset", got)
		}
		s.want("afterwards", s.eval(), 0)
	})
}

// TestQuadlet checks that a quadlet is judged by its source file, also if the file's time
// is old. It uses podman's generator if there is one.
func TestQuadlet(t *testing.T) {
	const source = ".config/containers/systemd/cache.container"
	// It is never started. It stays loaded because default.target wants it.
	const text = "[Container]\nImage=localhost/none:1\n[Install]\nWantedBy=default.target\n[Service]\nNice=3\n"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{source: text})
		s.quadletGenerator()
		s.reload()
		if got := s.property("cache.service", "SourcePath"); got != filepath.Join(s.Home, source) {
			t.Fatalf("SourcePath=%s: no quadlet generator", got)
		}
		settle()
		const stopped = "cache.service wanted_is_running never-started block/page"
		s.want("before", s.eval(), 2, stopped)
		s.blameQuadlet(source, true)
		s.do(s.Activate(map[string]string{source: text + "Nice=1\n"}))
		if got := s.property("cache.service", "NeedDaemonReload"); got != "no" {
			t.Errorf("NeedDaemonReload=%s; the store's mtime should blind it", got)
		}
		s.want("source changed", s.eval(), 2, "cache.service loaded_is_current changed heal/planned", stopped)
		s.want("enforcing", s.eval("--enforce"), 2, "cache.service loaded_is_current changed heal/healed", stopped)
		if got := s.property("cache.service", "Nice"); got != "1" {
			t.Errorf("Nice=%s after the reload", got)
		}
		s.do(s.Write(filepath.Join(s.Home, source), text+"Nice=2\n"))
		s.blameQuadlet(source, false)
		s.want("source replaced", s.eval(), 2,
			"cache.service file_declared different block/ticket", "cache.service loaded_is_current withheld block/ticket", stopped)
		if !s.hasPodmanGenerator() {
			return // the simulated one refuses nothing
		}
		s.do(os.Remove(filepath.Join(s.Home, source)))
		s.do(s.Activate(map[string]string{source: strings.Replace(text, "[Install]", "NoSuchKey=1\n[Install]", 1)}))
		s.want("refused", s.eval("--enforce"), 2, "cache.service quadlets_generate edited block/page", stopped)
		if got := s.property("cache.service", "Nice"); got != "1" {
			t.Errorf("Nice=%s: it was reloaded, although that takes the unit away", got)
		}
		s.reload()
		s.want("refused and reloaded", s.eval("--enforce"), 2, "cache.service quadlets_generate refused block/page")
	})
}

// TestQuadletsOfOneUnit checks that two quadlets that become the same unit are a finding, and that no
// reload is asked for, which would not help.
func TestQuadletsOfOneUnit(t *testing.T) {
	const folder = ".config/containers/systemd/"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{
			folder + "cache.container": "[Container]\nImage=localhost/none:1\n", folder + "cache.kube": "[Kube]\nYaml=a.yml\n",
		})
		if !s.hasPodmanGenerator() {
			t.Skip("podman's generator is not installed here")
		}
		s.reload()
		settle()
		s.want("enforcing", s.eval("--enforce"), 2, "host quadlets_generate other-file block/page")
	})
}

// TestQuadletsThatAreRefused checks that a refusal is the only finding for a template too, that
// a quadlet on which podman's generator crashes is named, and that no reload is asked for.
func TestQuadletsThatAreRefused(t *testing.T) {
	const folder, fine = ".config/containers/systemd/", "[Container]\nImage=localhost/none:1\n"
	for name, c := range map[string]struct {
		declared map[string]string
		want     []string
	}{
		"a template": {
			map[string]string{folder + "t@.container": fine + "NoSuchKey=1\n", folder + "a.container": fine},
			[]string{"t@.service quadlets_generate refused block/page"},
		},
		"a crash": {
			map[string]string{folder + "a.container": fine, folder + "b.container": fine + "Mount=type=volume\n", folder + "c.container": fine, folder + "t@.container": fine},
			[]string{"b.service quadlets_generate refused block/page", "host quadlets_generate other-file block/page"},
		},
		"systemd refuses the units": {
			map[string]string{
				folder + "i.image":     "[Image]\nImage=localhost/none:1\n[Service]\nDynamicUser=foobar\n",
				folder + "c.container": fine + "[Service]\nExecStartPre=relative/\n[Install]\nWantedBy=default.target\n",
			},
			[]string{"c.service fragment_in_user_dir load-error block/page", "i-image.service fragment_in_user_dir load-error block/page"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			systems.One(t, func(t *testing.T, options usermanager.Options) {
				s := open(t, options, c.declared)
				if !s.hasPodmanGenerator() {
					t.Skip("podman's generator is not installed here")
				}
				s.reload()
				settle()
				s.want("linked by Home Manager", s.eval("--enforce"), 2, c.want...)
			})
		})
	}
}

// TestQuadletThatIsIdle checks that a quadlet is judged by its source also if its unit is not
// in the manager's memory: the generator ran at the last reload, and not when the unit is read.
func TestQuadletThatIsIdle(t *testing.T) {
	const source, text = ".config/containers/systemd/cache.container", "[Container]\nImage=localhost/none:1\n[Service]\nNice=3\n"
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{source: text})
		s.quadletGenerator()
		s.reload()
		settle()
		s.want("before", s.eval(), 0)
		s.do(s.Activate(map[string]string{source: text + "Nice=1\n"}))
		s.want("edited", s.eval(), 1, "cache.service loaded_is_current changed heal/planned")
		s.want("enforcing", s.eval("--enforce"), 0, "cache.service loaded_is_current changed heal/healed")
		if got := s.property("cache.service", "Nice"); got != "1" {
			t.Errorf("Nice=%s after the reload", got)
		}
		s.want("afterwards", s.eval(), 0)
		settle()
		s.do(s.Write(filepath.Join(s.Home, source), text+"Nice=2\n"))
		s.blameQuadlet(source, false)
		s.want("replaced", s.eval("--enforce"), 1, "cache.service file_declared different block/ticket", "cache.service loaded_is_current withheld block/ticket")
	})
}

// TestQuadletDropIns checks that drop-ins for all quadlets of a type, or with the same prefix,
// are found wherever podman's generator reads them, and that none is loaded that is not declared.
func TestQuadletDropIns(t *testing.T) {
	const (
		folder  = ".config/containers/systemd/"
		source  = folder + "cache-app.container"
		text    = "[Container]\nImage=localhost/none:1\n[Install]\nWantedBy=default.target\n"
		stopped = "cache-app.service wanted_is_running never-started block/page"
		evil    = "[Container]\nPodmanArgs=--privileged\n"
	)
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{source: text})
		if !s.hasPodmanGenerator() {
			t.Skip("podman's generator is not installed here")
		}
		for _, path := range []string{
			filepath.Join(s.Home, folder, "container.d/evil.conf"), filepath.Join(s.Home, folder, "cache-.container.d/evil.conf"),
			filepath.Join(s.Home, folder, "other/container.d/evil.conf"), filepath.Join(s.RuntimeDir, "containers/systemd/container.d/evil.conf"),
		} {
			origin := "undeclared"
			if strings.HasPrefix(path, s.RuntimeDir) {
				origin = "outranking"
			}
			s.reload()
			settle()
			s.do(s.Write(path, evil))
			s.want(path, s.eval("--enforce"), 2, stopped,
				"cache-app.service dropins_owned "+origin+" block/page", "cache-app.service loaded_is_current withheld block/ticket")
			if strings.Contains(s.property("cache-app.service", "ExecStart"), "--privileged") {
				t.Errorf("%s was loaded", path)
			}
			s.reload()
			if !strings.Contains(s.property("cache-app.service", "ExecStart"), "--privileged") {
				t.Errorf("%s is not read by podman's generator", path)
			}
			s.want(path+", loaded", s.eval(), 2, stopped, "cache-app.service dropins_owned "+origin+" block/page")
			s.do(os.Remove(path))
		}
		s.reload()
		settle()
		s.do(s.Activate(map[string]string{source: text, folder + "container.d/label.conf": "[Container]\nLabel=a=b\n"}))
		s.want("a declared one", s.eval("--enforce"), 2, stopped, "cache-app.service loaded_is_current changed heal/healed")
		if !strings.Contains(s.property("cache-app.service", "ExecStart"), "a=b") {
			t.Error("the declared drop-in was not loaded")
		}
	})
}

// simulatedGenerator does for these sources what podman's generator would do. Podman has
// one since 4.4, and the host's podman may be older. The manager is real: it runs the
// generator and reads SourcePath=.
const simulatedGenerator = `#!/bin/sh
mkdir -p "$1/default.target.wants"
for source in "$HOME"/.config/containers/systemd/*.container; do
	name=$(basename "$source" .container).service
	{ printf '[Unit]\nSourcePath=%s\n' "$source"; sed -n '/^\[Service\]/,$p' "$source"; echo ExecStart=/bin/true; } >"$1/$name"
	ln -s "../$name" "$1/default.target.wants/$name"
done
`

func (s *stage) hasPodmanGenerator() bool {
	_, err := os.Stat(s.Path("/usr/lib/systemd/user-generators/podman-user-generator"))
	return err == nil
}

func (s *stage) quadletGenerator() {
	s.t.Helper()
	if s.hasPodmanGenerator() {
		return
	}
	path := s.Path("/etc/systemd/user-generators/simulated")
	s.do(os.MkdirAll(filepath.Dir(path), 0o755))
	s.do(os.WriteFile(path, []byte(simulatedGenerator), 0o755))
}

// TestADropInThatCannotBeNamed: the manager cannot say the drop-ins of a unit where the name
// of one is not UTF-8, not even when it is gone from the disk. No other unit is affected.
func TestADropInThatCannotBeNamed(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.etc("web.service.d/\xff.conf", dropIn)
		s.reload()
		settle()
		s.do(os.Remove(s.Path("/etc/systemd/user/web.service.d/\xff.conf")))
		const unsaid = "web.service dropins_owned unsaid block/page"
		s.want("observing", s.eval(), 2, unsaid, stale)
		s.want("enforcing", s.eval("--enforce"), 2, unsaid, healed)
		s.want("after the reload", s.eval(), 0)
	})
}

// TestDeclaredMask checks that a mask which Home Manager declares is as it should be, and
// that another mask of the same unit is not.
func TestDeclaredMask(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{unit("off.service"): "-> /dev/null"})
		s.reload()
		if got := s.property("off.service", "LoadState"); got != "masked" {
			t.Errorf("off.service is %s", got)
		}
		s.want("declared", s.eval(), 0)
		s.do(s.Link("/dev/null", s.Unit("off.service")))
		s.want("by hand", s.eval(), 2, "off.service file_declared mask block/page", "off.service fragment_in_user_dir masked block/page")
	})
}

// TestNameless checks that a declared file is reported which systemd takes for no unit.
func TestNameless(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{unit("my app.service"): daemon})
		s.reload()
		if files := s.systemctl("list-unit-files"); strings.Contains(files, "app.service") {
			t.Errorf("systemd knows the unit:\n%s", files)
		}
		s.want("declared", s.eval(), 2, "host file_declared nameless block/page")
	})
}

// TestInstanceOutOfMemory checks that an instance that a link pulls in is judged, although the
// manager does not have it in memory.
func TestInstanceOutOfMemory(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{unit("inst@.service"): daemon, unit("other.target.wants/inst@a.service"): "-> ../inst@.service"})
		s.reload()
		if r := s.eval(); r.ExitCode != 0 {
			s.want("in order", r, 0)
		}
		s.do(s.Write(s.runtime("systemd/user/inst@.service"), evilUnit))
		s.do(s.Write(s.runtime("systemd/transient/inst@.service"), evilUnit))
		r := s.eval()
		found := slices.ContainsFunc(r.findings(), func(f string) bool { return strings.HasPrefix(f, "inst@a.service fragment_in_user_dir") })
		if !found || r.ExitCode != 2 {
			t.Errorf("status %d, %v", r.ExitCode, r.findings())
		}
	})
}
