package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestTakes(t *testing.T) {
	for name, c := range map[string]struct {
		names []string
		line  string
		want  string
	}{
		"right":    {[]string{"HOST"}, "web", ""},
		"none":     {nil, "", ""},
		"missing":  {[]string{"HOST"}, "", "HOST is missing: toy HOST"},
		"second":   {[]string{"HOST", "USER"}, "web", "USER is missing: toy HOST USER"},
		"too many": {[]string{"HOST"}, "web den", `toy takes HOST and no more: leave "den" out, or put quotes around what belongs together`},
		"left out": {[]string{"CHANNEL", "[N]"}, "stable", ""},
		"given":    {[]string{"CHANNEL", "[N]"}, "stable 2", ""},
		"neither":  {[]string{"CHANNEL", "[N]"}, "", "CHANNEL is missing: toy CHANNEL [N]"},
		"no names": {nil, "web", `toy takes no argument: leave "web" out`},
	} {
		got := ""
		if err := Takes(c.names...)(&cobra.Command{Use: "toy"}, strings.Fields(c.line)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
