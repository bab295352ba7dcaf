package main

import (
	"slices"
	"testing"
)

// The parsers of what comes from outside have targets.
func TestTargets(t *testing.T) {
	found, err := targets("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{
		"applied", "config", "decide/policy", "facts", "history", "internal/compose", "internal/podman", "internal/podman/quadlet",
		"internal/systemd/wire", "internal/text", "internal/unitfile", "notify",
	} {
		if !slices.ContainsFunc(found, func(f target) bool { return f.folder == "../../"+folder }) {
			t.Errorf("%s has no target", folder)
		}
	}
}
