package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/facts"
)

func TestWriteIsReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "facts.json")
	if err := write(&facts.Document{Units: []facts.Unit{}}, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "\n  \"units\"") {
		t.Errorf("%s %v", text, err)
	}
}

func TestDeclare(t *testing.T) {
	declared := declare(12)
	if got := declared[".config/stackpolicy/config.yaml"]; got != "stacks: {web: {}, files: {}, feeds: {}, app0000: {}, app0010: {}}\n" {
		t.Errorf("configuration %q", got)
	}
	if got, want := len(declared), 12+12+1; got != want {
		t.Errorf("%d files, want %d", got, want)
	}
	if got, want := declared[".config/systemd/user/default.target.wants/app0003.service"], "-> ../app0003.service"; got != want {
		t.Errorf("link %q, want %q", got, want)
	}
	var units []string
	for _, c := range containers(12) {
		units = append(units, c.Unit)
	}
	if !slices.Equal(units, []string{"app0000.service", "app0000.service", "app0010.service", "app0010.service"}) {
		t.Errorf("containers of %q", units)
	}
}
