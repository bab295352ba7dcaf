package nix

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

// activated is a user manager in which Home Manager's own activate is run. Only sd-switch,
// Nix and stackctl are replaced, by the programs in testdata.
type activated struct {
	*usermanager.Manager
	t              *testing.T
	source, tree   string // Home Manager, nixpkgs
	programs, root string // the programs, and the folder of Nix's state
}

// eachActivation runs a test with each Home Manager, in a user manager of its own.
func eachActivation(t *testing.T, test func(t *testing.T, a activated)) {
	sources := sources(t)
	options := usermanager.Options{Root: debian.Root(t)}
	if err := usermanager.Available(options); err != nil {
		t.Skip(err)
	}
	programs := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", programs, "stackpolicy/cmd/stackpolicy")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.CopyFS(programs, os.DirFS("testdata/programs")); err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		t.Run(filepath.Base(source), func(t *testing.T) {
			m, err := usermanager.Start(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := m.Stop(); err != nil {
					t.Error(err)
				}
			})
			a := activated{m, t, source, layOut(t, os.Getenv(nixpkgs)), programs, t.TempDir()}
			t.Cleanup(func() { writable(t, m.StoreDir) })
			a.do("mkdir", "-p", ".local/state/nix/profiles")
			a.do("systemctl", "--user", "start", "default.target")
			test(t, a)
		})
	}
}

// build builds the activation package of a home.
func (a activated) build(configuration string) string {
	a.t.Helper()
	generation, said, err := a.tryBuild(configuration)
	if err != nil {
		a.t.Fatalf("%v\n%s", err, said)
	}
	return generation
}

// tryBuild builds in the store of the manager.
func (a activated) tryBuild(configuration string) (generation, said string, err error) {
	a.t.Helper()
	expression := fmt.Sprintf(`import ./testdata/activation.nix { homeManager = %s; nixpkgs = %s; programs = %s; configuration = { lib, ... }: {
		imports = [ (%s) ];
		home.username = lib.mkForce "%s"; home.homeDirectory = lib.mkForce "%s"; xdg.configHome = "%[6]s/.config";
		submoduleSupport = { enable = true; externalPackageInstall = true; };
	}; }`, a.source, a.tree, a.programs, configuration, a.Username, a.Home)
	env := []string{
		"NIX_STORE_DIR=" + a.StoreDir, "NIX_STATE_DIR=" + filepath.Join(a.root, "state"), "NIX_LOG_DIR=" + filepath.Join(a.root, "log"),
		"NIX_CONFIG=build-users-group =\nsandbox = false\nsubstituters =\n",
	}
	out, said, err := nix(a.t, env, "nix-build", "--no-out-link", "--expr", expression)
	return strings.TrimSpace(out), said, err
}

// activate runs the activation of a generation. It returns what it said, and whether it
// succeeded.
func (a activated) activate(generation string, env ...string) (said string, ok bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), limit)
	defer cancel()
	cmd := a.Command(ctx, generation+"/activate", "--driver-version", "1")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// must builds and activates a home.
func (a activated) must(configuration string) {
	a.t.Helper()
	if said, ok := a.activate(a.build(configuration)); !ok {
		a.t.Fatalf("the activation failed: %s", said)
	}
}

// do runs a command as the account, and returns its output.
func (a activated) do(argv ...string) string {
	a.t.Helper()
	out, err := a.Command(a.t.Context(), argv...).CombinedOutput()
	if err != nil {
		a.t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// show returns a property of a unit.
func (a activated) show(unit, property string) string {
	a.t.Helper()
	return a.do("systemctl", "--user", "show", "--property="+property, "--value", unit)
}

// write writes a file of the home, as the account.
func (a activated) write(name, text string) {
	a.t.Helper()
	a.do("sh", "-c", `mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1"`, "sh", name, text)
}

// applied is a home with a stack that is applied.
const applied = `{ services.stackpolicy = { enable = true; stage = "verified-apply"; stacks.web.compose = [ "/home/ada/web/compose.yaml" ]; }; }`

// TestActivationWaitsForStacks: a first apply that takes three minutes, which are three seconds
// here, is waited for. Without the module's setting it is given up after two, and the activation
// ends half-way. A stack that is removed is stopped.
func TestActivationWaitsForStacks(t *testing.T) {
	eachActivation(t, func(t *testing.T, a activated) {
		a.write("apply-takes", "3")
		generation := a.build(applied)
		begin := time.Now()
		if said, ok := a.activate(generation); !ok || a.show("web.service", "ActiveState") != "active" {
			t.Errorf("after %s: %s", time.Since(begin), said)
		}
		a.must("{ services.stackpolicy.enable = true; }")
		if log := a.do("cat", "stackctl.log"); !strings.HasSuffix(log, "preflight web\napply web\nverify web\ndown web") {
			t.Errorf("stackctl was asked for\n%s", log)
		}
		// What Home Manager does with its own default.
		if said, ok := a.activate(generation, "SD_SWITCH_DEFAULT=1"); ok || !strings.Contains(said, "web.service was not started within 2.000 s") {
			t.Errorf("with sd-switch's own time the activation says %s", said)
		}
	})
}

// TestBuildChecksSettings: a key of settings.yaml is taken as it is, and one that does not
// exist stops the build.
func TestBuildChecksSettings(t *testing.T) {
	const home = `{ services.stackpolicy = { enable = true; settings = { trust_distribution_dropins = true; KEY = 1; }; }; }`
	eachActivation(t, func(t *testing.T, a activated) {
		if _, said, err := a.tryBuild(strings.ReplaceAll(home, "KEY = 1;", "")); err != nil {
			t.Errorf("%v: %s", err, said)
		}
		_, said, err := a.tryBuild(strings.ReplaceAll(home, "KEY", "trust_dropins"))
		if err == nil || !strings.Contains(said, `unknown key "trust_dropins"`) {
			t.Errorf("%v: %s", err, said)
		}
	})
}

// atBoot starts what default.target wants as a boot does: all at once.
func (a activated) atBoot(units ...string) {
	a.t.Helper()
	a.do(append([]string{"systemctl", "--user", "stop", "default.target"}, units...)...)
	a.do("systemctl", "--user", "start", "default.target")
}

// secretive is a home with a stack that needs a secret of sops-nix's kind and one of
// agenix's. The units that write them take a second.
const secretive = `{ lib, ... }: {
	imports = [ ` + applied + ` ];
	systemd.user.services.sops-nix = {
		Service = { Type = "oneshot"; ExecStart = "/bin/sh -c 'sleep 1; touch %h/sops'"; };
		Install.WantedBy = [ "default.target" ];
	};
	systemd.user.services.agenix = {
		Service = { Type = "oneshot"; ExecStart = "/bin/sh -c 'sleep 1; touch %t/agenix'"; };
		Install.WantedBy = [ "default.target" ];
	};
	systemd.user.services.web.Unit.After = lib.mkIf ISOLATED (lib.mkForce [ ]);
}`

// TestBootWaitsForSecrets: at boot a stack starts after the units that write its secrets, and
// not without its order.
func TestBootWaitsForSecrets(t *testing.T) {
	eachActivation(t, func(t *testing.T, a activated) {
		sops, agenix := filepath.Join(a.Home, "sops"), filepath.Join(a.RuntimeDir, "agenix")
		for isolated, want := range map[string]string{"false": "success", "true": "exit-code"} {
			a.do("rm", "-f", "secrets")
			a.must(strings.ReplaceAll(secretive, "ISOLATED", isolated))
			a.write("secrets", sops+"\n"+agenix+"\n")
			a.do("systemctl", "--user", "stop", "web.service")
			a.do("rm", "-f", sops, agenix)
			a.atBoot()
			if got := a.show("web.service", "Result"); got != want {
				t.Errorf("without its order: %s; the start is a %s, want %s", isolated, got, want)
			}
		}
	})
}

// TestActivationStartsTimer: at stage observe podman's timer is left alone, and from the next
// stage on it runs, whoever declares it.
func TestActivationStartsTimer(t *testing.T) {
	const home = `{ podman, ... }: {
		imports = [ podman ];
		services.podman = { enable = PODMAN; autoUpdate.enable = PODMAN; };
		services.stackpolicy = { enable = true; stage = "STAGE"; stacks.web = { compose = [ "/home/ada/web/compose.yaml" ]; autoUpdate = true; }; };
	}`
	eachActivation(t, func(t *testing.T, a activated) {
		for _, c := range []struct{ stage, podman, want string }{
			{"observe", "false", "inactive"}, {"reconcile", "false", "active"}, {"reconcile", "true", "active"}, {"observe", "true", "active"},
		} {
			a.must(strings.NewReplacer("STAGE", c.stage, "PODMAN", c.podman).Replace(home))
			if got := a.show("podman-auto-update.timer", "ActiveState"); got != c.want {
				t.Errorf("at stage %s, with services.podman %s: podman's timer is %s, want %s", c.stage, c.podman, got, c.want)
			}
		}
	})
}

// others are units as other modules write them: services.podman and nix-podman-stacks by
// home.file, with what podman generates; quadlet-nix by a quadlet, a unit without a command and
// a drop-in that leads to what podman generates.
const others = `{ config, pkgs, ... }: {
	home.file."${config.xdg.configHome}/systemd/user/podman-app.service".text = "[Unit]\nDescription=App\n[Service]\nType=exec\nExecStart=/bin/sleep infinity\n";
	home.file."${config.xdg.configHome}/systemd/user/default.target.wants/podman-app.service".source = ./testdata/home.nix;
	xdg.configFile."containers/systemd/shop.container".text = "[Container]\nImage=localhost/shop:1\n";
	systemd.user.services.shop = { Unit.X-QuadletNixConfigHash = "0"; Install.WantedBy = [ "default.target" ]; };
	xdg.configFile."systemd/user/shop.service.d/override.conf".source = pkgs.runCommand "quadlet-out-path" { }
		"mkdir $out && ln -s ${config.xdg.configHome}/quadlet-nix $out/quadlet-nix" + "/quadlet-nix/out/shop.service";
	services.stackpolicy = { enable = true; stage = "STAGE"; stacks.app.unit = "podman-app.service"; stacks.shop = { }; };
}`

// TestActivationReplacesFilesOfOtherModules: a file in the way of a unit that comes by
// home.file, or of a quadlet, aborts an activation until the stage heal-artifacts.
func TestActivationReplacesFilesOfOtherModules(t *testing.T) {
	eachActivation(t, func(t *testing.T, a activated) {
		a.podman()
		a.do("mkdir", "-p", ".config/quadlet-nix")
		a.do("ln", "-s", filepath.Join(a.RuntimeDir, "systemd/generator"), ".config/quadlet-nix/out")
		inTheWay := []string{".config/systemd/user/podman-app.service", ".config/containers/systemd/shop.container"}
		for _, name := range inTheWay {
			a.write(name, "[Unit]\n# by hand\n")
		}
		if said, ok := a.activate(a.build(strings.ReplaceAll(others, "STAGE", "reconcile"))); ok || strings.Count(said, "would be clobbered") != 2 {
			t.Errorf("at stage reconcile the activation says %s", said)
		}
		a.must(strings.ReplaceAll(others, "STAGE", "heal-artifacts"))
		for _, name := range inTheWay {
			if target := a.do("readlink", name); !strings.Contains(target, "-home-manager-files/") {
				t.Errorf("%s leads to %s", name, target)
			}
		}
		if got := a.show("podman-app.service", "ActiveState"); got != "active" {
			t.Errorf("podman-app.service is %s", got)
		}
	})
}

// TestOtherModulesAreNotAccused: an audit of units of other modules finds nothing.
func TestOtherModulesAreNotAccused(t *testing.T) {
	eachActivation(t, func(t *testing.T, a activated) {
		a.podman(scene.Container{Name: "systemd-shop", Unit: "shop.service"}, scene.Container{Name: "app", Unit: "podman-app.service"})
		a.do("mkdir", "-p", ".config/quadlet-nix")
		a.do("ln", "-s", filepath.Join(a.RuntimeDir, "systemd/generator"), ".config/quadlet-nix/out")
		a.must(strings.ReplaceAll(others, "STAGE", "observe"))
		a.do("systemctl", "--user", "start", "stackpolicy-audit.timer", "stackpolicy-report.timer", "stackpolicy-audit.path", "stackpolicy-audit-subfolders.path")
		program, err := a.Install(filepath.Join(a.programs, "stackpolicy"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := a.Command(t.Context(), program, "eval", "-o", "json").Output()
		var report struct {
			Gaps      []any
			Decisions []struct{ Invariant, Subject, Effect, Message string }
		}
		if err := json.Unmarshal(out, &report); err != nil || len(report.Gaps) > 0 {
			t.Fatalf("%v\n%s", err, out)
		}
		judged := map[string]bool{}
		for _, d := range report.Decisions {
			judged[d.Subject] = true
			if d.Effect != "allow" {
				t.Errorf("%s of %s: %s: %s", d.Invariant, d.Subject, d.Effect, d.Message)
			}
		}
		if !judged["shop.service"] || !judged["podman-app.service"] {
			t.Errorf("of %v not all were judged (%v)", judged, err)
		}
	})
}

// podman puts a podman in place whose containers are these, and whose run stays. Nothing
// waits for a network, which there is none of.
func (a activated) podman(containers ...scene.Container) {
	a.t.Helper()
	s := scene.Scene{Manager: a.Manager}
	if err := s.Podman(containers...); err != nil {
		a.t.Fatal(err)
	}
	script := "#!/bin/sh\ncase $1 in run) systemd-notify --ready; exec sleep infinity ;; rm) exit ;; esac\nexec " + a.BinDir + "/podman \"$@\"\n"
	cmd := a.RootCommand(a.t.Context(), "sh", "-c", `rm -f /usr/bin/podman && cat >/usr/bin/podman && chmod 755 /usr/bin/podman &&
		ln -s /dev/null /etc/systemd/user/podman-user-wait-network-online.service`)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("%v\n%s", err, out)
	}
}
