package nix

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFlake: the flake has what others expect by name. Its packages are not evaluated, which
// needs the whole of nixpkgs.
func TestFlake(t *testing.T) {
	if os.Getenv(nixpkgs) == "" {
		t.Skipf("set %s to evaluate the flake by nixpkgs' library", nixpkgs)
	}
	var got map[string][]string
	complaint := evaluateInto(t, `let
		lib = import `+os.Getenv(nixpkgs)+`/lib;
		outputs = (import ../flake.nix).outputs { self = outputs // { shortRev = "abc"; }; home-manager = { }; nixpkgs = {
			inherit lib; legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_: { callPackage = _: args: args; });
		}; };
		names = lib.mapAttrs (_: lib.attrNames);
	in names (removeAttrs outputs [ "formatter" "packages" "apps" "checks" "devShells" ])
		// lib.mapAttrs (name: systems: lib.attrNames systems.x86_64-linux) { inherit (outputs) packages apps checks; }
		// { revision = [ outputs.packages.aarch64-linux.stackpolicy.revision (outputs.overlays.default { callPackage = _: args: args; } { }).stackpolicy.revision ];
			systems = lib.attrNames outputs.formatter; }`, &got)
	if complaint != "" {
		t.Fatal(complaint)
	}
	want := map[string][]string{
		"apps": {"default", "stackctl", "stackfleet", "stackpolicy"}, "checks": {"machine", "nix", "options", "package", "policies", "version"},
		"homeManagerModules": {"default", "stackpolicy"}, "homeModules": {"default", "stackpolicy"}, "nixosModules": {"default", "stackpolicy"},
		"overlays": {"default"}, "packages": {"default", "options", "stackpolicy"}, "revision": {"abc", "abc"}, "systems": {"aarch64-linux", "x86_64-linux"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestPackageSource: the files of source.nix are enough to build the programs, with their
// version, and to collect the same modules. Pages are not among them.
func TestPackageSource(t *testing.T) {
	library := os.Getenv(nixpkgs)
	if library == "" {
		t.Skipf("set %s to evaluate the source by nixpkgs' library", nixpkgs)
	}
	var files []string
	if complaint := evaluateInto(t, "import ./testdata/source.nix { nixpkgs = "+library+"; }", &files); complaint != "" {
		t.Fatal(complaint)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, file := range files {
		rel, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(rel, "docs/") && filepath.Ext(rel) == ".md" || filepath.Ext(rel) == ".nix" || strings.HasPrefix(rel, ".git") {
			t.Errorf("%s is among them", rel)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, rel), string(text))
	}
	program := filepath.Join(t.TempDir(), "stackpolicy")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program,
		"-ldflags=-X stackpolicy/cmd/internal/cli.version=0.1.0+abc", "./cmd/stackpolicy")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	says, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil || !slices.Contains(strings.Fields(string(says)), "0.1.0+abc") {
		t.Errorf("it says %q, %v", says, err)
	}
	if here, there := hashOfModules(t, ".."), hashOfModules(t, dir); here != there {
		t.Errorf("the modules of the source have the hash %s, those of all files %s", there, here)
	}
}

// TestMachine evaluates the machine of the NixOS test, and its two other configurations.
func TestMachine(t *testing.T) {
	eachSystem(t, func(t *testing.T, evaluate func(string) system) {
		for _, name := range []string{"", "broken", "slow"} {
			s := evaluate(`{ lib, ... }: { imports = [
				(import ./machine.nix { image = "/nix/store/0-image.tar"; })
				(lib.optionalAttrs ("` + name + `" != "") ((import ./machine.nix { image = "/nix/store/0-image.tar"; }) { inherit lib; }).specialisation."` + name + `".configuration)
			]; }`)
			if len(s.Refused) > 0 || len(s.Warnings) > 0 {
				t.Errorf("%s: refused %q, warnings %q", name, s.Refused, s.Warnings)
			}
			if !s.Lingers["ada"] || !slices.Contains(s.Homes["ada"], "systemd/user/web.service") {
				t.Errorf("%s: lingers %v, units %q", name, s.Lingers, s.Homes["ada"])
			}
		}
	})
}
