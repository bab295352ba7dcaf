package nix

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHomeManagerTakesModule checks which files there are, which of them are
// forced, and which have a stamp.
func TestHomeManagerTakesModule(t *testing.T) {
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		h := evaluate(map[string]module{"": {text: "./testdata/home.nix"}})[""]
		h.accepted(t, "home.nix")
		var forced, stamped []string
		for _, path := range slices.Sorted(maps.Keys(h.Files)) {
			f, name := h.Files[path], strings.TrimPrefix(path, "systemd/user/")
			if f.Force {
				forced = append(forced, name)
			}
			if n := strings.Count(f.Text, "info:stackpolicy-rev-"); n == 1 && !strings.Contains(name, "/") {
				stamped = append(stamped, name)
			}
		}
		own := []string{
			"stackpolicy-alerts.service", "stackpolicy-audit-change.service", "stackpolicy-audit-subfolders.path", "stackpolicy-audit.path",
			"stackpolicy-audit.service", "stackpolicy-audit.timer", "stackpolicy-report.service", "stackpolicy-report.timer", "web.service",
		}
		want := slices.Concat(own, []string{
			"default.target.wants/old.service", "default.target.wants/stackpolicy-audit-subfolders.path",
			"default.target.wants/stackpolicy-audit.path", "default.target.wants/web.service",
			"old.service", "old.service.d/10-more.conf", "podman.service.d/10-stackpolicy.conf", "timers.target.wants/podman-auto-update.timer",
			"timers.target.wants/stackpolicy-audit.timer", "timers.target.wants/stackpolicy-report.timer",
		})
		slices.Sort(want)
		if diff := cmp.Diff(want, forced); diff != "" {
			t.Errorf("forced (-want +got)\n%s", diff)
		}
		if got := h.Files["systemd/user/podman.service.d/10-stackpolicy.conf"].Text; got != "[Service]\nEnvironment=LOGGING=--log-level=warn\n" {
			t.Errorf("podman's drop-in is %q", got)
		}
		if diff := cmp.Diff(append([]string{"mine.service"}, own...), stamped); diff != "" {
			t.Errorf("stamped (-want +got)\n%s", diff)
		}
		if _, policies, found := strings.Cut(h.Files["stackpolicy/config.yaml"].Text, "policies: "); !found || !strings.Contains(policies, "-stackpolicy-policies\"") {
			t.Errorf("the configuration names no policy folder: %s", h.Files["stackpolicy/config.yaml"].Text)
		}
	})
}

// TestHomeManagerWritesLocalFacts: a schema, a fact, or both are files of facts.d.
func TestHomeManagerWritesLocalFacts(t *testing.T) {
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		h := evaluate(map[string]module{"": {text: `{ services.stackpolicy = {
			enable = true; stacks.web.compose = [ "/home/ada/web/compose.yaml" ];
			localFacts = { backup.schema = ./testdata/backup.schema.json; site.value = { name = "attic"; racks = 2; }; };
		}; }`}})[""]
		h.accepted(t, "local facts")
		var got []string
		for path := range h.Files {
			if name, isLocal := strings.CutPrefix(path, "stackpolicy/facts.d/"); isLocal {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if want := []string{"backup.schema.json", "site.json"}; !slices.Equal(got, want) {
			t.Errorf("facts.d has %q, want %q", got, want)
		}
		if text := h.Files["stackpolicy/facts.d/site.json"].Text; text != `{"name":"attic","racks":2}` {
			t.Errorf("site.json is %q", text)
		}
	})
}

// TestHomeManagerWaitsForStacks: sd-switch gives a start up after two minutes unless it is
// told otherwise.
func TestHomeManagerWaitsForStacks(t *testing.T) {
	cases := map[string]struct {
		stage, more string
		want        int
	}{
		"a stack is applied":    {"verified-apply", "", 300000},
		"the operator's longer": {"verified-apply", "systemd.user.servicesStartTimeoutMs = 900000;", 900000},
		"no stack is applied":   {"reconcile", "", 0},
	}
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		modules := map[string]module{}
		for name, c := range cases {
			modules[name] = module{text: `{ services.stackpolicy = {
				enable = true; stage = "` + c.stage + `"; stacks.web.compose = [ "/home/ada/web/compose.yaml" ];
			}; ` + c.more + ` }`}
		}
		for name, h := range evaluate(modules) {
			h.accepted(t, name)
			if want := cases[name].want; h.JobTimeoutMs != want {
				t.Errorf("%s: it waits %d ms, want %d", name, h.JobTimeoutMs, want)
			}
		}
	})
}

// TestHomeManagerAutoUpdates: one link starts podman's timer, also where another module
// declares a timer of that name, and none at stage observe.
func TestHomeManagerAutoUpdates(t *testing.T) {
	const link = "systemd/user/timers.target.wants/podman-auto-update.timer"
	const podmans = "(podman's)"
	cases := map[string]struct{ stage, more, want string }{
		"alone":           {"reconcile", "", podmans},
		"stage observe":   {"observe", "", ""},
		"services.podman": {"verified-apply", "imports = [ podman ]; services.podman = { enable = true; autoUpdate.enable = true; };", "RandomizedDelaySec=300"},
		"podman at observe": {"observe", "imports = [ podman ]; services.podman = { enable = true; autoUpdate.enable = true; };",
			"RandomizedDelaySec=300"},
		"podman without": {"verified-apply", "imports = [ podman ]; services.podman = { enable = true; autoUpdate.enable = false; };", podmans},
		"as quadlet-nix does": {"verified-apply", `systemd.user.timers.podman-auto-update = {
			Timer.OnCalendar = "Mon 04:00"; Install.WantedBy = [ "timers.target" ]; };`, "OnCalendar=Mon 04:00"},
	}
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		modules := map[string]module{}
		for name, c := range cases {
			modules[name] = module{text: `{ podman, ... }: { services.stackpolicy = {
				enable = true; stage = "` + c.stage + `"; stacks.web = { compose = [ "/home/ada/web/compose.yaml" ]; autoUpdate = true; };
			}; ` + c.more + ` }`}
		}
		for name, h := range evaluate(modules) {
			h.accepted(t, name)
			want := cases[name].want
			if got := h.Files[link].Text; (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%s: the timer that is linked is %q, want %q in it", name, got, want)
			}
		}
	})
}

// TestHomeManagerForcesOtherFiles: units that other modules write by home.file, as
// services.podman does, and quadlets belong to Home Manager too.
func TestHomeManagerForcesOtherFiles(t *testing.T) {
	const of = `{ config, ... }: {
		services.stackpolicy = { enable = true; stage = "heal-artifacts"; units = [ "podman-web.service" ]; };
		services.stackpolicy.stacks = { web.unit = "podman-web.service"; shop = { }; lab.unit = "lab-pod.service"; };
		home.file."${config.xdg.configHome}/systemd/user/podman-web.service".text = "[Service]\nExecStart=/bin/true\n";
		home.file.".config/systemd/user/other.service".text = "[Service]\nExecStart=/bin/true\n";
		xdg.configFile."containers/systemd/shop.container".text = "[Container]\nImage=shop\n";
		home.file.".config/containers/systemd/lab.pod".text = "[Pod]\n";
		home.file.".config/containers/systemd/other.container".text = "[Container]\nImage=other\n";
	}`
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		h := evaluate(map[string]module{"": {text: of}})[""]
		h.accepted(t, "other files")
		for path, want := range map[string]bool{
			"systemd/user/podman-web.service":    true,
			"systemd/user/other.service":         false,
			"containers/systemd/shop.container":  true,
			"containers/systemd/lab.pod":         true,
			"containers/systemd/other.container": false,
			"stackpolicy/config.yaml":            false,
		} {
			if f, exists := h.Files[path]; !exists || f.Force != want {
				t.Errorf("%s: exists %v, forced %v, want %v", path, exists, f.Force, want)
			}
		}
	})
}

// TestHomeManagerUnitsCanBeChanged: a definition elsewhere replaces a setting of the module's
// units, and adds to their commands.
func TestHomeManagerUnitsCanBeChanged(t *testing.T) {
	const changed = `{
		services.stackpolicy = { enable = true; stage = "verified-apply"; stacks.web.compose = [ "/home/ada/web/compose.yaml" ]; };
		systemd.user.services.web = {
			Unit.Description = "Shop window"; Unit.After = [ "data.mount" ];
			Service = { RestartSec = 5; ExecStartPre = [ "/bin/true" ]; Environment = [ "A=b" ]; };
		};
		systemd.user.timers.stackpolicy-audit.Timer.OnUnitActiveSec = "1h";
	}`
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		h := evaluate(map[string]module{"": {text: changed}})[""]
		h.accepted(t, "changed units")
		web := h.Files["systemd/user/web.service"].Text
		for _, want := range []string{
			"Description=Shop window\n", "After=data.mount\n", "After=sops-nix.service\n", "RestartSec=5\n",
			"ExecStartPre=/bin/true\n", "stackctl preflight web\n", "Environment=A=b\n", "Environment=PATH=",
		} {
			if strings.Count(web, want) != 1 {
				t.Errorf("web.service does not have %q once:\n%s", want, web)
			}
		}
		if timer := h.Files["systemd/user/stackpolicy-audit.timer"].Text; !strings.Contains(timer, "OnUnitActiveSec=1h\n") {
			t.Errorf("the timer is\n%s", timer)
		}
	})
}

// TestHomeManagerWatch: the watch is declared and wanted in place of the timer and the path
// units, and a part of a unit that is then left out is refused.
func TestHomeManagerWatch(t *testing.T) {
	const on = "{ services.stackpolicy = { enable = true; watch = true; " + web + " };"
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		homes := evaluate(map[string]module{
			"on":    {text: on + " }"},
			"timer": {text: on + ` systemd.user.timers.stackpolicy-audit.Timer.OnUnitActiveSec = "1h"; }`},
		})
		h := homes["on"]
		h.accepted(t, "on")
		watch := h.Files["systemd/user/stackpolicy-watch.service"].Text
		for _, want := range []string{
			"Type=notify\n", "-stackpolicy/bin/stackpolicy watch --queue-alerts\n", "ExecReload=/bin/sh -c 'kill -HUP $$MAINPID'\n",
			"Environment=GOMEMLIMIT=400MiB\n", "Environment=PATH=", "X-SwitchMethod=restart\n", "WantedBy=default.target\n", "info:stackpolicy-rev-",
		} {
			if strings.Count(watch, want) != 1 {
				t.Errorf("the watch does not have %q once:\n%s", want, watch)
			}
		}
		if _, linked := h.Files["systemd/user/default.target.wants/stackpolicy-watch.service"]; !linked {
			t.Error("nothing starts the watch")
		}
		for path := range h.Files {
			if name := strings.TrimPrefix(path, "systemd/user/"); strings.Contains(name, "stackpolicy-audit") && name != "stackpolicy-audit.service" {
				t.Errorf("%s is there too", name)
			}
		}
		if refused := strings.Join(homes["timer"].Refused, "\n"); !strings.Contains(refused, "write: services.stackpolicy.watch = false;") {
			t.Errorf("a part of the timer is not refused: %q", refused)
		}
	})
}

// TestBuildRunsItsOwnProgram: a configuration for another architecture is checked by a program
// that the machine that builds it can run.
func TestBuildRunsItsOwnProgram(t *testing.T) {
	of := module{text: "{ services.stackpolicy = { enable = true; " + web + " }; }"}
	cross := of
	cross.isCross = true
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		homes := evaluate(map[string]module{"same": of, "cross": cross})
		for name, want := range map[string]string{"same": "stackpolicy", "cross": "stackpolicy-of-builder"} {
			h := homes[name]
			h.accepted(t, name)
			if !slices.Equal(h.CheckedBy, []string{want}) {
				t.Errorf("%s: checked by %q, want %s", name, h.CheckedBy, want)
			}
			if unit := h.Files["systemd/user/stackpolicy-audit.service"].Text; !strings.Contains(unit, "-stackpolicy/bin/stackpolicy ") {
				t.Errorf("%s: the host runs another program:\n%s", name, unit)
			}
		}
	})
}
