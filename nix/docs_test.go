package nix

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block finds the Nix on a page.
var block = regexp.MustCompile("(?s)\n```nix\n(.*?)\n```\n")

// pages are those with Nix.
func pages(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../policies/invariants/*/*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range block.FindAllStringSubmatch(string(text), -1) {
				found[filepath.Base(path)] = append(found[filepath.Base(path)], m[1])
			}
		}
	}
	return found
}

// around completes the pieces on a page: the rest of the configuration of a reader who is there.
const around = `{ lib, ... }: {
	options = lib.genAttrs [ "sops" "age" ] (_: lib.mkOption { type = lib.types.attrs; });
	config = {
		sops.secrets.web-token.path = "/home/ada/.config/sops-nix/secrets/web-token";
		age.secrets.web-key.path = "\${XDG_RUNTIME_DIR}/agenix/web-key";
		services.stackpolicy.enable = lib.mkDefault true;
		services.stackpolicy.stacks.web.compose = lib.mkDefault [ "/home/ada/web/compose.yaml" ];
	};
}`

// TestDocumentedHomes evaluates every Home Manager configuration in the documents. They are
// accepted without a warning.
func TestDocumentedHomes(t *testing.T) {
	modules := map[string]module{}
	for page, blocks := range pages(t) {
		if page == "gate.md" {
			continue // configurations of other tools: lab/proof runs their commands
		}
		for i, text := range blocks {
			if strings.Contains(text, "outputs =") {
				continue // TestDocumentedFlake
			}
			dir, imports := readersFolder(t), "./around.nix ./block.nix"
			write(t, filepath.Join(dir, "around.nix"), around)
			write(t, filepath.Join(dir, "block.nix"), text)
			if page == "migrating.md" && !strings.Contains(text, "verified-apply") && i > 0 {
				write(t, filepath.Join(dir, "before.nix"), blocks[0]) // the unit that is migrated
				imports += " ./before.nix"
			}
			write(t, filepath.Join(dir, "home.nix"), "{ imports = [ "+imports+" ]; }")
			modules[fmt.Sprintf("%s, block %d", page, i+1)] = module{text: dir + "/home.nix"}
		}
	}
	if len(modules) < 9 {
		t.Fatalf("only %d blocks were found", len(modules))
	}
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		for name, h := range evaluate(modules) {
			h.accepted(t, name)
			if len(h.Warnings) > 0 {
				t.Errorf("%s: warnings: %q", name, h.Warnings)
			}
		}
	})
}

// readersFolder is a folder with the files that the documents refer to.
func readersFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "web", "compose.yaml"), "services: {}\n")
	write(t, filepath.Join(dir, "configuration.nix"), "{ users.users.ada = { }; home-manager.users.ada = ./ada.nix; }\n")
	write(t, filepath.Join(dir, "backup.schema.json"), "{}\n")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDocumentedFlake evaluates the flake in nixos.md, and the home after it, with this
// repository's flake: the account lingers, and has its units.
func TestDocumentedFlake(t *testing.T) {
	blocks := pages(t)["nixos.md"]
	if len(blocks) < 2 || !strings.Contains(blocks[0], "outputs =") || !strings.Contains(blocks[1], `stage = "verified-apply"`) {
		t.Fatalf("nixos.md does not begin with a flake and a home")
	}
	eachSystem(t, func(t *testing.T, evaluate func(string) system) {
		dir := readersFolder(t)
		write(t, filepath.Join(dir, "flake.nix"), blocks[0])
		write(t, filepath.Join(dir, "ada.nix"), blocks[1])
		s := evaluate(`
			let lib = import ` + os.Getenv(nixpkgs) + `/lib;
				ours = (import ../flake.nix).outputs { self = { }; home-manager = { }; nixpkgs = { inherit lib; legacyPackages = { }; }; };
				theirs = (import ` + dir + `/flake.nix).outputs {
					nixpkgs.lib.nixosSystem = system: system.modules;
					home-manager.nixosModules.home-manager = { };
					stackpolicy = ours;
				};
			in { imports = theirs.nixosConfigurations.host; }`)
		if len(s.Refused) > 0 || len(s.Warnings) > 0 {
			t.Errorf("refused: %q, warnings: %q", s.Refused, s.Warnings)
		}
		if !s.Lingers["ada"] || len(s.Services["home-manager-ada"].OnFailure) != 1 {
			t.Errorf("linger: %v, a failed activation starts %q", s.Lingers, s.Services["home-manager-ada"].OnFailure)
		}
		if got := strings.Join(s.Homes["ada"], " "); !strings.Contains(got, "systemd/user/default.target.wants/web.service") {
			t.Errorf("units: %s", got)
		}
	})
}
