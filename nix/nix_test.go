// Package nix holds the project's Nix files, and tests that their results can be
// read by the programs. Without nix-instantiate (Debian: nix-bin) the tests that
// evaluate are skipped.
package nix

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/policies"
	"stackpolicy/units"
)

var update = flag.Bool("update", false, "write the goldens and vendorHash again")

// limit bounds one run of a tool.
const limit = 2 * time.Minute

// nix runs a tool of Nix as an account without a daemon would. It returns stdout and
// stderr.
func nix(t *testing.T, env []string, name string, args ...string) (out, said string, err error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no Nix here (Debian has it in nix-bin): %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "NIX_CONFIG=build-users-group ="}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// noStore is a store that is empty and cannot be written.
var noStore = []string{"NIX_REMOTE=dummy://"}

func TestEveryFileParses(t *testing.T) {
	var found []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".nix" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(found, "../flake.nix") || !slices.Contains(found, "../nix/lib.nix") {
		t.Fatalf("found only %q", found)
	}
	for _, path := range found {
		if _, said, err := nix(t, noStore, "nix-instantiate", "--parse", path); err != nil {
			t.Errorf("%s: %v\n%s", path, err, said)
		}
	}
}

// evaluate returns an attribute of testdata/cases.nix, as indented JSON.
func evaluate(t *testing.T, attribute string) []byte {
	t.Helper()
	out, said, err := nix(t, noStore, "nix-instantiate", "--eval", "--strict", "--json", "--attr", attribute, "testdata/cases.nix")
	if err != nil {
		t.Fatalf("evaluate %s: %v\n%s", attribute, err, said)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(strings.TrimSpace(out)), "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(indented.Bytes(), '\n')
}

// TestGoldens compares the results of the plain functions, for the options in
// testdata/cases.nix. Each attribute there has a golden file, and each golden file
// has its attribute.
func TestGoldens(t *testing.T) {
	out, said, err := nix(t, noStore, "nix-instantiate", "--eval", "--strict", "--json", "--expr", "builtins.attrNames (import ./testdata/cases.nix)")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var cases, goldens []string
	if err := json.Unmarshal([]byte(out), &cases); err != nil {
		t.Fatal(err)
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			golden, got := goldenOf(name), evaluate(t, name)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got); if it is meant: go test ./nix -run TestGoldens -update\n%s", golden, diff)
			}
		})
	}
	paths, err := filepath.Glob(goldenOf("*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		goldens = append(goldens, strings.TrimSuffix(filepath.Base(path), ".json"))
	}
	if diff := cmp.Diff(cases, goldens); diff != "" {
		t.Errorf("cases and goldens (-cases +goldens)\n%s", diff)
	}
}

func goldenOf(name string) string { return filepath.Join("testdata", "golden", name+".json") }

// read returns a golden file.
func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(goldenOf(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// TestProgramReadsConfiguration: the programs can read the golden configurations.
func TestProgramReadsConfiguration(t *testing.T) {
	var stages map[string]struct{ Configuration string }
	var full struct{ Configuration, Settings string }
	read(t, "stages", &stages)
	read(t, "full", &full)
	texts := map[string]string{"full": full.Configuration}
	for stage, made := range stages {
		texts[stage] = made.Configuration
	}
	for name, text := range texts {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Read(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantMode := config.Enforce
		if name == "observe" {
			wantMode = config.Observe
		}
		wantFleet := config.Fleet{}
		if name == "full" {
			wantFleet = config.Fleet{Channel: "stable", Labels: map[string]string{"role": "canary", "rack": "3", "spare": "true"}, Registry: "registry.example.org/rules/home"}
		}
		if diff := cmp.Diff(wantFleet, c.Fleet); diff != "" {
			t.Errorf("%s: fleet (-want +got)\n%s", name, diff)
		}
		if c.Mode != wantMode || c.Stacks["web"].Unit != "web.service" {
			t.Errorf("%s: mode %q, stacks %v", name, c.Mode, c.Stacks)
		}
	}
	if err := loads(t, full.Settings); err != nil {
		t.Errorf("settings: %v", err)
	}
	if err := loads(t, full.Settings+"  typo: 1\n"); err == nil {
		t.Error("settings with a misspelt key were taken")
	}
}

// loads the built-in policies with other settings.
func loads(t *testing.T, settings string) error {
	t.Helper()
	folder := fstest.MapFS{}
	err := fs.WalkDir(policies.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(policies.FS, path)
		folder[path] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	folder["settings.yaml"] = &fstest.MapFile{Data: []byte(settings)}
	_, err = decide.Load(t.Context(), folder, decide.Options{Name: "generated"})
	return err
}

// TestEveryShippedUnit: the module declares exactly the units that are shipped, those of the
// watch or those of the timer.
func TestEveryShippedUnit(t *testing.T) {
	var declared map[string]any
	read(t, "audit-units", &declared)
	var watched struct{ Names []string }
	read(t, "watch-units", &watched)
	for _, name := range []string{"stackpolicy-audit.timer", "stackpolicy-audit.path", "stackpolicy-audit-subfolders.path", "stackpolicy-audit-change.service"} {
		if slices.Contains(watched.Names, name) || declared[name] == nil {
			t.Errorf("%s: beside the watch %t, without it %t", name, slices.Contains(watched.Names, name), declared[name] != nil)
		}
	}
	if declared["stackpolicy-watch.service"] != nil {
		t.Error("the watch is declared without being asked for")
	}
	for _, name := range watched.Names {
		declared[name] = true
	}
	entries, err := units.FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	shipped := map[string]bool{}
	for _, e := range entries {
		shipped[e.Name()] = true
	}
	for name := range declared {
		if !shipped[name] {
			t.Errorf("%s is declared, but not shipped", name)
		}
		delete(shipped, name)
	}
	if len(shipped) > 0 {
		t.Errorf("shipped, but not declared: %v; name them in units.nix", shipped)
	}
}

// TestEveryFootGunIsRefused: only correct options pass, and every refusal says what
// to write instead.
func TestEveryFootGunIsRefused(t *testing.T) {
	var refusals map[string][]string
	read(t, "refusals", &refusals)
	passes := []string{"none", "backup-meant", "job-timeout-of-no-matter", "start-timeout-long-without-nixos", "start-timeout-of-one-command", "just-short-enough", "quadlet-to-heal", "member-without-releases"}
	for name, messages := range refusals {
		if slices.Contains(passes, name) != (len(messages) == 0) {
			t.Errorf("%s: %q", name, messages)
		}
		for _, m := range messages {
			if !slices.ContainsFunc([]string{"Write", "Remove", "Name the service", "Leave it out", "To say that"}, func(s string) bool { return strings.Contains(m, s) }) {
				t.Errorf("%s does not say what to write instead: %s", name, m)
			}
		}
	}
}
