package nix

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Variables with the paths of public copies of Home Manager (several, as in PATH)
// and of nixpkgs' library (a folder with lib), for the tests that evaluate the
// module with them. Nothing else is needed: packages are replaced by stubs.
const (
	homeManagers = "STACKPOLICY_HOME_MANAGER"
	nixpkgs      = "STACKPOLICY_NIXPKGS"
)

// home is the result of testdata/evaluate.nix.
type home struct {
	Refused      []string
	JobTimeoutMs int
	Files        map[string]struct {
		Force bool
		Text  string
	}
}

// eachRelease runs a test with each Home Manager that the environment names. The
// test gets a function that evaluates a module for a system's configuration; both
// are the text of a Nix expression.
func eachRelease(t *testing.T, test func(t *testing.T, evaluate func(module, system string) (home, string))) {
	sources, library := os.Getenv(homeManagers), os.Getenv(nixpkgs)
	if sources == "" || library == "" {
		t.Skipf("set %s (PATH:PATH…) and %s to evaluate by real ones", homeManagers, nixpkgs)
	}
	tree := layOut(t, library)
	for _, source := range filepath.SplitList(sources) {
		t.Run(filepath.Base(source), func(t *testing.T) {
			test(t, func(module, system string) (home, string) { return evaluateHome(t, source, tree, module, system) })
		})
	}
}

// layOut makes a nixpkgs from its library and the stubs.
func layOut(t *testing.T, library string) string {
	t.Helper()
	tree := t.TempDir()
	standIns, err := filepath.Abs("testdata/nixpkgs/nixos")
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"lib": filepath.Join(library, "lib"), "nixos": standIns} {
		if err := os.Symlink(target, filepath.Join(tree, name)); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// evaluateHome returns the home, or the error of Nix.
func evaluateHome(t *testing.T, source, tree, module, system string) (home, string) {
	t.Helper()
	store := t.TempDir()
	expression := "import ./testdata/evaluate.nix { homeManager = " + source + "; nixpkgs = " + tree + "; configuration = " + module + "; osConfig = " + system + "; }"
	out, said, err := nix(t, nil, "nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", "--store", store, "--expr", expression)
	writable(t, store)
	if err != nil {
		return home{}, said
	}
	var h home
	if err := json.Unmarshal([]byte(out), &h); err != nil {
		t.Fatal(err)
	}
	return h, ""
}

// writable lets the test's clean-up remove read-only files of a store.
func writable(t *testing.T, store string) {
	t.Helper()
	err := filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHomeManagerTakesModule checks which files there are, which of them are
// forced, and which have a stamp.
func TestHomeManagerTakesModule(t *testing.T) {
	eachRelease(t, func(t *testing.T, evaluate func(module, system string) (home, string)) {
		h, complaint := evaluate("./testdata/home.nix", "null")
		if complaint != "" || len(h.Refused) > 0 {
			t.Fatalf("refused: %q\n%s", h.Refused, complaint)
		}
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
			"old.service", "old.service.d/10-more.conf", "timers.target.wants/podman-auto-update.timer",
			"timers.target.wants/stackpolicy-audit.timer", "timers.target.wants/stackpolicy-report.timer",
		})
		slices.Sort(want)
		if diff := cmp.Diff(want, forced); diff != "" {
			t.Errorf("forced (-want +got)\n%s", diff)
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
	eachRelease(t, func(t *testing.T, evaluate func(module, system string) (home, string)) {
		h, complaint := evaluate(`{ services.stackpolicy = {
			enable = true; stacks.web.compose = [ "/home/ada/web/compose.yaml" ];
			localFacts = { backup.schema = ./testdata/backup.schema.json; site.value = { name = "attic"; racks = 2; }; };
		}; }`, "null")
		if complaint != "" || len(h.Refused) > 0 {
			t.Fatalf("refused: %q\n%s", h.Refused, complaint)
		}
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
	eachRelease(t, func(t *testing.T, evaluate func(module, system string) (home, string)) {
		for name, c := range cases {
			h, complaint := evaluate(`{ services.stackpolicy = {
				enable = true; stage = "`+c.stage+`"; stacks.web.compose = [ "/home/ada/web/compose.yaml" ];
			}; `+c.more+` }`, "null")
			if complaint != "" || len(h.Refused) > 0 || h.JobTimeoutMs != c.want {
				t.Errorf("%s: it waits %d ms, want %d; refused %q\n%s", name, h.JobTimeoutMs, c.want, h.Refused, complaint)
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
	eachRelease(t, func(t *testing.T, evaluate func(module, system string) (home, string)) {
		for name, c := range cases {
			h, complaint := evaluate(`{ podman, ... }: { services.stackpolicy = {
				enable = true; stage = "`+c.stage+`"; stacks.web = { compose = [ "/home/ada/web/compose.yaml" ]; autoUpdate = true; };
			}; `+c.more+` }`, "null")
			if complaint != "" || len(h.Refused) > 0 {
				t.Errorf("%s: refused %q\n%s", name, h.Refused, complaint)
			}
			if got := h.Files[link].Text; (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%s: the timer that is linked is %q, want %q in it", name, got, c.want)
			}
		}
	})
}

// TestHomeManagerRefuses: a mistake stops the evaluation, with a message that says
// what to write instead.
func TestHomeManagerRefuses(t *testing.T) {
	const web = `stacks.web.compose = [ "/home/ada/web/compose.yaml" ]; `
	const backupLost = `{ home-manager = { backupFileExtension = "bak"; overwriteBackup = false; }; }` // the system's
	cases := map[string]struct{ options, more, want string }{
		"misspelt option":   {web + `stacks.web.verfy.timeout = "1m";`, "", "stacks.web.verfy' does not exist"},
		"wrong stage":       {web + `stage = "heal";`, "", `one of "observe", "reconcile", "heal-artifacts", "verified-apply"`},
		"wrong mode":        {web + `mode = "act";`, "", `one of "observe", "enforce"`},
		"wrong duration":    {web + `stacks.web.verify.timeout = "1 minute";`, "", "stacks.web.verify.timeout' is not of type"},
		"a fact's name":     {web + `localFacts.my-backup.value = 1;`, "", "localFacts: want names of small letters"},
		"a fact's schema":   {web + `localFacts.backup.scheme = ./backup.schema.json;`, "", "localFacts.backup.scheme' does not exist"},
		"hold's end":        {web + `holds = [ { unit = "a.service"; reason = "b"; owner = "c"; until = "2d"; } ];`, "", "until' is not of type"},
		"waiver's end":      {web + `waivers = [ { invariant = "a"; units = [ "a.service" ]; reason = "b"; owner = "c"; until = "2026-12-24"; } ];`, "", "until' is not of type"},
		"waiver's owner":    {web + `waivers = [ { invariant = "a"; units = [ "a.service" ]; reason = "b"; until = "2026-12-24T18:00:00Z"; } ];`, "", "owner'"},
		"start services":    {web, `systemd.user.startServices = "suggest";`, `Write: systemd.user.startServices = "sd-switch";`},
		"backslash":         {web + `stacks.web.unit = "a\\x2db.service";`, "", `a - needs no \x2d.`},
		"secret in store":   {web + `stacks.web.secrets = [ "${builtins.toFile "token" "x"}" ];`, "", `Write its path on the host, as a string in quotes: "/run/secrets/NAME"`},
		"secret as path":    {web + `stacks.web.secrets = [ ./testdata/home.nix ];`, "", `Write its path on the host, as a string in quotes: "/run/secrets/NAME"`},
		"foreign label":     {`stacks.web = { compose = [ ./testdata/labelled.yaml ]; autoUpdate = true; };`, "", "Remove the label from the compose file: stackctl sets it."},
		"backup is lost":    {web, backupLost, "Write: home-manager.overwriteBackup = true;"},
		"start timeout":     {web + `stacks.web.startTimeout = "10m";`, "", `Leave it out, or write at most "270s".`},
		"activation waits":  {web, "systemd.user.servicesStartTimeoutMs = 60000;", "Leave it out: services.stackpolicy sets 300000."},
		"sd-switch's own":   {web, "systemd.user.servicesStartTimeoutMs = 0;", "an activation waits only 120 seconds"},
		"declared twice":    {web, `systemd.user.services.web.Service.ExecStart = [ "/bin/true" ];`, "is declared elsewhere in this configuration too"},
		"misspelt stamp":    {web + `stamp = [ "wbe.service" ];`, "", "is not a unit that systemd.user declares"},
		"two settings":      {web + `policies = ../policies; settings.budget.unit = 5;`, "", "Keep one: remove settings.yaml from the folder"},
		"policies as text":  {web + `policies = "/home/ada/rules";`, "", "Write a Nix path, without quotes"},
		"nothing to put up": {`stacks.web.stage = "heal-artifacts";`, "", "Home Manager declares no web.service"},
	}
	eachRelease(t, func(t *testing.T, evaluate func(module, system string) (home, string)) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				options := c.options
				if !strings.Contains(options, "stage = ") {
					options += ` stage = "verified-apply";`
				}
				more, system := c.more, "null"
				if more == backupLost {
					more, system = "", backupLost
				}
				h, complaint := evaluate("{ services.stackpolicy = { enable = true; "+options+" }; "+more+" }", system)
				if got := strings.Join(append(h.Refused, complaint), "\n"); !strings.Contains(got, c.want) {
					t.Errorf("it said %q; want %q in it", got, c.want)
				}
			})
		}
	})
}
