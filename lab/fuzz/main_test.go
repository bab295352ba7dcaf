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

// That the time was up is no failure; everything else is.
func TestFailed(t *testing.T) {
	const timeUp = "fuzz: elapsed: 10s, execs: 314378 (30863/sec), new interesting: 0 (total: 139)\n--- FAIL: FuzzWords (10.13s)\n    context deadline exceeded\nFAIL\nexit status 1\n"
	const found = "--- FAIL: FuzzFolder (1.80s)\n    --- FAIL: FuzzFolder (0.00s)\n        fuzz_test.go:39: it took 11s\n    \n    Failing input written to testdata/fuzz/FuzzFolder/72\nFAIL\n"
	for out, want := range map[string]bool{
		timeUp:         false,
		found:          true,
		timeUp + found: true,
		"":             true,
		"FAIL\tstackpolicy/config [build failed]\n":                                                          true,
		"--- FAIL: FuzzWords (1.00s)\n    fuzzing process hung or terminated unexpectedly\nFAIL\n":           true,
		"--- FAIL: FuzzWords (1.00s)\n        fuzz_test.go:3: open: context deadline exceeded\n    \nFAIL\n": true,
	} {
		if failed([]byte(out)) != want {
			t.Errorf("%q: not %t", out, want)
		}
	}
}
