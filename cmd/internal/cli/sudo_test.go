package cli

import (
	"strings"
	"testing"
)

// TestWarnOfSudo: with sudo a command is about root's units, which is hardly what is meant.
func TestWarnOfSudo(t *testing.T) {
	for name, c := range map[string]struct {
		by   string
		uid  int
		says string
	}{
		"by sudo":         {"ada", 0, "leave sudo out"},
		"by root":         {"", 0, ""},
		"root by sudo":    {"root", 0, ""},
		"of the account":  {"ada", 1000, ""},
		"an odd variable": {"ada\x1b[2J", 0, `those of ada`},
	} {
		t.Setenv("SUDO_USER", c.by)
		var said strings.Builder
		warnOfSudo(&said, "stackpolicy", c.uid)
		if got := said.String(); (got == "") != (c.says == "") || !strings.Contains(got, c.says) || strings.Contains(got, "\x1b") {
			t.Errorf("%s: it said %q, want %q", name, got, c.says)
		}
	}
}
