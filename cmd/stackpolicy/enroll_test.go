package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNoServerInside checks that only the hub's program links the broker. TestNoSandboxInside prints
// the sizes of all.
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
	}
}
