package nix

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
)

// system is the result of testdata/evaluate-nixos.nix.
type system struct {
	Refused, Warnings []string
	Lingers           map[string]bool
	Services          map[string]struct {
		After, OnFailure []string
		User             string
	}
	Homes          map[string][]string // names of files of units
	Configurations map[string]string   // config.yaml; "" if the audit is not enabled
}

// evaluateSystem evaluates a NixOS configuration, which is the text of a module.
func evaluateSystem(t *testing.T, homeManager, configuration string) system {
	t.Helper()
	var s system
	tree := layOut(t, os.Getenv(nixpkgs))
	expression := fmt.Sprintf("import ./testdata/evaluate-nixos.nix { homeManager = %s; nixpkgs = %s; configuration = %s; }", homeManager, tree, configuration)
	if complaint := evaluateInto(t, expression, &s); complaint != "" {
		t.Fatal(complaint)
	}
	return s
}

// eachSystem runs a test with the NixOS module of each Home Manager.
func eachSystem(t *testing.T, test func(t *testing.T, evaluate func(configuration string) system)) {
	for _, source := range sources(t) {
		t.Run(filepath.Base(source), func(t *testing.T) {
			test(t, func(configuration string) system { return evaluateSystem(t, source, configuration) })
		})
	}
}

// enabled is a home with a stack.
const enabled = `{ services.stackpolicy = { enable = true; stacks.web.compose = [ "/home/ada/web/compose.yaml" ]; }; }`

// TestNixOSDerivesAccounts: an account whose home enables the audit needs nothing else. At
// boot its linger flag is set after its activation, and a failed activation starts its
// audit. Other accounts are not changed.
func TestNixOSDerivesAccounts(t *testing.T) {
	eachSystem(t, func(t *testing.T, evaluate func(string) system) {
		s := evaluate(`{
			users.users.ada = { }; users.users.bob = { }; users.users.eve.name = "eve-of-lan";
			home-manager.users = { ada = ` + enabled + `; bob = { }; eve = ` + enabled + `; };
		}`)
		if len(s.Refused) > 0 {
			t.Errorf("refused: %q", s.Refused)
		}
		if want := map[string]bool{"ada": true, "bob": false, "eve": true}; !maps.Equal(want, s.Lingers) {
			t.Errorf("linger: %v, want %v", s.Lingers, want)
		}
		after := slices.Sorted(slices.Values(s.Services["linger-users"].After))
		if want := []string{"home-manager-ada.service", `home-manager-eve\x2dof\x2dlan.service`}; !slices.Equal(want, after) {
			t.Errorf("linger-users is after %q, want %q", after, want)
		}
		eve := s.Services[`home-manager-eve\x2dof\x2dlan`]
		if want := []string{`stackpolicy-failed-home-manager-eve\x2dof\x2dlan.service`}; !slices.Equal(want, eve.OnFailure) {
			t.Errorf("a failed activation of eve's starts %q, want %q", eve.OnFailure, want)
		}
		if got := s.Services[`stackpolicy-failed-home-manager-eve\x2dof\x2dlan`].User; got != "eve-of-lan" {
			t.Errorf("the audit of eve's is started by %q", got)
		}
		if got := s.Services["home-manager-bob"].OnFailure; len(got) > 0 {
			t.Errorf("a failed activation of bob's starts %q", got)
		}
		if !slices.Contains(s.Homes["ada"], "systemd/user/stackpolicy-audit.timer") || slices.Contains(s.Homes["bob"], "systemd/user/stackpolicy-audit.timer") {
			t.Errorf("units: %q", s.Homes)
		}
	})
}

// TestNixOSAccountsCanBeChanged: what an account declares replaces the defaults, and so does
// linger of users.users. A home may import the module too.
func TestNixOSAccountsCanBeChanged(t *testing.T) {
	eachSystem(t, func(t *testing.T, evaluate func(string) system) {
		s := evaluate(`{
			users.users = { ada = { }; bob = { }; eve.linger = false; };
			services.stackpolicy.users = {
				ada = { onFailure = [ "notify-me.service" ]; };
				bob = { linger = false; auditFailedActivation = false; };
			};
			home-manager.users = {
				ada = { imports = [ ./home-manager.nix ` + enabled + ` ]; };
				bob = ` + enabled + `; eve = ` + enabled + `;
			};
		}`)
		if len(s.Refused) > 0 {
			t.Errorf("refused: %q", s.Refused)
		}
		if want := map[string]bool{"ada": true, "bob": false, "eve": false}; !maps.Equal(want, s.Lingers) {
			t.Errorf("linger: %v, want %v", s.Lingers, want)
		}
		want := []string{"stackpolicy-failed-home-manager-ada.service", "notify-me.service"}
		if got := s.Services["home-manager-ada"].OnFailure; !slices.Equal(got, want) {
			t.Errorf("a failed activation of ada's starts %q, want %q", got, want)
		}
		if got := s.Services["home-manager-bob"].OnFailure; len(got) > 0 {
			t.Errorf("a failed activation of bob's starts %q", got)
		}
		if got := s.Services["linger-users"].After; !slices.Equal(got, []string{"home-manager-ada.service"}) {
			t.Errorf("linger-users is after %q", got)
		}
	})
}

// TestNixOSSaysTheFleetOfEachHome: what the system says of the fleet holds for each home that
// does not say otherwise, one label at a time.
func TestNixOSSaysTheFleetOfEachHome(t *testing.T) {
	eachSystem(t, func(t *testing.T, evaluate func(string) system) {
		s := evaluate(`{
			users.users = { ada = { }; bob = { }; eve = { }; };
			services.stackpolicy.fleet = { channel = "stable"; labels = { site = "attic"; role = "canary"; }; };
			home-manager.users = {
				ada = ` + enabled + `; eve = { };
				bob = { imports = [ ` + enabled + ` ]; services.stackpolicy.fleet = { channel = "lab"; labels.role = "desk"; }; };
			};
		}`)
		if len(s.Refused) > 0 {
			t.Errorf("refused: %q", s.Refused)
		}
		for name, want := range map[string]config.Fleet{
			"ada": {Channel: "stable", Labels: map[string]string{"site": "attic", "role": "canary"}},
			"bob": {Channel: "lab", Labels: map[string]string{"site": "attic", "role": "desk"}},
		} {
			path := filepath.Join(t.TempDir(), "config.yaml")
			write(t, path, s.Configurations[name])
			if got, err := config.Read(path); err != nil || cmp.Diff(want, got.Fleet) != "" {
				t.Errorf("%s: %+v, %v; want %+v", name, got.Fleet, err, want)
			}
		}
		if text := s.Configurations["eve"]; text != "" {
			t.Errorf("eve did not enable the audit, and has the configuration %q", text)
		}
	})
}

// TestNixOSRefuses: what the NixOS module cannot do is said, with what to write.
func TestNixOSRefuses(t *testing.T) {
	for _, source := range append(sources(t)[:1], "null") {
		configuration := `{ users.users.eve = { }; services.stackpolicy.users.eve = { }; }`
		want := "Write: home-manager.users.eve = { services.stackpolicy.enable = true; … };"
		if source == "null" {
			want = "Write: imports = [ home-manager.nixosModules.home-manager ];"
		}
		if s := evaluateSystem(t, source, configuration); len(s.Refused) != 1 || !strings.Contains(s.Refused[0], want) {
			t.Errorf("%s: refused: %q, want %q", source, s.Refused, want)
		}
	}
}
