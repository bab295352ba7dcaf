package nix

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// TestNixOSTakesModule: at boot the linger flag of an account is set after its
// activation, and a failed activation starts the units in onFailure. Accounts
// without linger are not changed, nor are flags that the operator manages.
func TestNixOSTakesModule(t *testing.T) {
	library := os.Getenv(nixpkgs)
	if library == "" {
		t.Skipf("set %s to evaluate by nixpkgs' library", nixpkgs)
	}
	expression := `import ./testdata/evaluate-nixos.nix { nixpkgs = ` + library + `; configuration = {
		services.stackpolicy.users.ada.onFailure = [ "notify-me.service" ];
		services.stackpolicy.users.bob = { linger = false; auditFailedActivation = false; };
		services.stackpolicy.users.eve = { };
		home-manager.users = { ada = { }; bob = { }; };
	}; }`
	out, said, err := nix(t, noStore, "nix-instantiate", "--eval", "--strict", "--json", "--expr", expression)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var system struct {
		Refused  []string
		Lingers  map[string]bool
		Services map[string]struct{ After, OnFailure []string }
	}
	if err := json.Unmarshal([]byte(out), &system); err != nil {
		t.Fatal(err)
	}
	if len(system.Refused) != 1 { // eve: Home Manager does not know her
		t.Errorf("refused: %q", system.Refused)
	}
	if !system.Lingers["ada"] || system.Lingers["bob"] {
		t.Errorf("lingers: %v", system.Lingers)
	}
	after := system.Services["linger-users"].After
	if !slices.Contains(after, "home-manager-ada.service") || slices.Contains(after, "home-manager-bob.service") {
		t.Errorf("linger-users is after %q", after)
	}
	want := []string{"stackpolicy-failed-home-manager-ada.service", "notify-me.service"}
	if got := system.Services["home-manager-ada"].OnFailure; !slices.Equal(got, want) {
		t.Errorf("a failed activation of ada's starts %q, want %q", got, want)
	}
	if got := system.Services["home-manager-bob"].OnFailure; len(got) > 0 {
		t.Errorf("a failed activation of bob's starts %q", got)
	}
}
