package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/policies"
	"stackpolicy/units"
)

// readYAML reads a block as the program does: as a policy folder's settings if it has
// the key settings, and otherwise as config.yaml.
func readYAML(t *testing.T, text string) {
	t.Helper()
	var top map[string]any
	if err := yaml.Unmarshal([]byte(text), &top); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, ok := top["settings"]; !ok {
		path := filepath.Join(dir, "config.yaml")
		write(t, path, text)
		if _, err := config.Read(path); err != nil {
			t.Error(err)
		}
		return
	}
	if err := os.CopyFS(dir, policies.FS); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "settings.yaml"), text)
	if _, err := decide.Load(t.Context(), os.DirFS(dir), decide.Options{}); err != nil {
		t.Error(err)
	}
}

// verifyUnit lets systemd read a unit. Any output is an error: the exit status is 0
// even for unknown keys.
func verifyUnit(t *testing.T, b block) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("no systemd-analyze here: %v", err)
	}
	dir := t.TempDir()
	unit, of := filepath.Join(dir, "page.service"), b.marks[markDropIn]
	if of == "" {
		write(t, unit, b.text)
	} else {
		shipped, err := units.FS.ReadFile(of)
		if err != nil {
			t.Fatal(err)
		}
		unit = filepath.Join(dir, of)
		write(t, unit, string(shipped))
		write(t, filepath.Join(dir, of+".d", "page.conf"), b.text)
	}
	for _, program := range []string{"stackpolicy", "stackctl", "stackfleet"} {
		link(t, filepath.Join(bin, program), filepath.Join(dir, ".local/bin", program))
	}
	cmd := exec.CommandContext(t.Context(), analyze, "--user", "verify", "--man=no", unit)
	cmd.Env = []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "PATH=" + os.Getenv("PATH"), "SYSTEMD_UNIT_PATH=" + dir + ":"}
	if r := finish(cmd); r.status != 0 || r.output != "" {
		t.Errorf("exit status %d: %s", r.status, r.output)
	}
}

// readNix parses a whole expression, or the content of a set.
func readNix(t *testing.T, text string) {
	t.Helper()
	nix, err := exec.LookPath("nix-instantiate")
	if err != nil {
		t.Skipf("no Nix here: %v", err)
	}
	var complaint string
	for _, expression := range []string{text, "{\n" + text + "\n}"} {
		cmd := exec.CommandContext(t.Context(), nix, "--parse", "-")
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "NIX_REMOTE=dummy://"}
		cmd.Stdin = strings.NewReader(expression)
		r := finish(cmd)
		if r.status == 0 {
			return
		}
		complaint = r.output
	}
	t.Error(complaint)
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

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}
