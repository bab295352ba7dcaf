package nix

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// vendorHash finds the hash of the modules in package.nix.
var vendorHash = regexp.MustCompile(`vendorHash = "([^"]*)";`)

// TestVendorHash: buildGoModule hashes the folder that `go mod vendor` makes, so the
// hash depends on go.mod, go.sum and the packages that are imported.
func TestVendorHash(t *testing.T) {
	if _, err := exec.LookPath("nix"); err != nil {
		t.Skipf("no Nix here (Debian has it in nix-bin): %v", err)
	}
	got := hashOfModules(t, "..")
	text, err := os.ReadFile("package.nix")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		text = vendorHash.ReplaceAll(text, []byte(`vendorHash = "`+got+`";`))
		if err := os.WriteFile("package.nix", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	match := vendorHash.FindSubmatch(text)
	if match == nil {
		t.Fatal("package.nix has no vendorHash")
	}
	if want := string(match[1]); got != want {
		t.Errorf("vendorHash is %s, but package.nix has %s; run: go test ./nix -run TestVendorHash -update", got, want)
	}
}

// hashOfModules returns the hash of the modules of the sources in a folder.
func hashOfModules(t *testing.T, source string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "vendor")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	vendor := exec.CommandContext(ctx, "go", "mod", "vendor", "-o", dir)
	vendor.Dir = source
	if out, err := vendor.CombinedOutput(); err != nil {
		t.Fatalf("go mod vendor: %v\n%s", err, out)
	}
	out, said, err := nix(t, nil, "nix", "--extra-experimental-features", "nix-command", "hash", "path", "--type", "sha256", dir)
	if err != nil {
		t.Fatalf("nix hash path: %v\n%s", err, said)
	}
	return strings.TrimSpace(out)
}
