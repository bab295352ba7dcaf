package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackpolicy/cmd/internal/cli"
)

// TestNoSandboxInside checks that the main program links nothing of the sandbox, which only
// stackdrill has.
func TestNoSandboxInside(t *testing.T) {
	for program, has := range map[string]bool{"stackpolicy": false, "stackctl": false, "stackfleet": false, "stackdrill": true} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "stackpolicy/cmd/"+program).Output()
		if err != nil {
			t.Fatal(err)
		}
		packages := strings.Fields(string(out))
		inside := slices.ContainsFunc(packages, func(p string) bool { return strings.HasPrefix(p, "stackpolicy/lab/") || p == "stackpolicy/drill" })
		if inside != has {
			t.Errorf("%s has the sandbox inside: %t, want %t", program, inside, has)
		}
		for _, p := range packages {
			if strings.HasSuffix(p, "/sandboxtest") {
				t.Errorf("%s links %s", program, p)
			}
		}
		if testing.Short() {
			continue
		}
		path := filepath.Join(t.TempDir(), program)
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, "stackpolicy/cmd/"+program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d packages, %.1f MB stripped", program, len(packages), float64(info.Size())/1e6)
	}
}

// TestFindDrill checks where stackdrill is found, and in which order.
func TestFindDrill(t *testing.T) {
	prefix, other := t.TempDir(), t.TempDir()
	own := filepath.Join(prefix, "bin/stackpolicy")
	put := func(path string, mode os.FileMode) string {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	find := func(what, want string) {
		t.Helper()
		got, err := findDrill(own, []string{"", "relative", other})
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", what, got, err, want)
		}
	}
	put(filepath.Join(prefix, "bin/stackdrill"), 0o644) // cannot be run
	find("nowhere", "")
	inPath := put(filepath.Join(other, "stackdrill"), 0o755)
	find("in PATH", inPath)
	packaged := put(filepath.Join(prefix, "libexec/stackpolicy/stackdrill"), 0o755)
	find("as packages have it", packaged)
	if err := os.Chmod(filepath.Join(prefix, "bin/stackdrill"), 0o755); err != nil {
		t.Fatal(err)
	}
	find("beside", filepath.Join(prefix, "bin/stackdrill"))
}

// TestDrillFlags checks that every flag that is given is handed on.
func TestDrillFlags(t *testing.T) {
	given := []string{"--output=json", "--policy=rules", "--only=a", "--only=b", "--list"}
	flags, cmd := cli.DrillFlags{}, &cobra.Command{}
	flags.Add(cmd)
	if err := cmd.ParseFlags(given); err != nil {
		t.Fatal(err)
	}
	if got := flags.Args(); !slices.Equal(got, given) {
		t.Errorf("got %q, want %q", got, given)
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.ContainsFunc(given, func(arg string) bool { return strings.HasPrefix(arg, "--"+f.Name) }) {
			t.Errorf("--%s is not handed on", f.Name)
		}
	})
}
