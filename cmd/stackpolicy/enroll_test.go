package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoServerInside checks that only the hub's program links the broker, and prints the sizes.
func TestNoServerInside(t *testing.T) {
	for program, has := range map[string]bool{"stackpolicy": false, "stackctl": false, "stackdrill": false, "stackfleet": true} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "stackpolicy/cmd/"+program).Output()
		if err != nil {
			t.Fatal(err)
		}
		inside := slices.ContainsFunc(strings.Fields(string(out)), func(p string) bool {
			return strings.HasPrefix(p, "github.com/nats-io/nats-server") || strings.HasPrefix(p, "github.com/nats-io/jwt") || p == "stackpolicy/fleet/broker"
		})
		if inside != has {
			t.Errorf("%s has the broker inside: %t, want %t", program, inside, has)
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
		t.Logf("%s: %.1f MB stripped", program, float64(info.Size())/1e6)
	}
}
