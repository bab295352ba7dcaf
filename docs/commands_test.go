package docs

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/internal/text"
)

// TestHelpFits reads the help of every command: no line is wider than a terminal of 80 columns,
// but for examples, which are commands.
func TestHelpFits(t *testing.T) {
	for _, program := range []string{"stackpolicy", "stackctl", "stackfleet"} {
		if n := helpFits(t, program); n < 5 {
			t.Errorf("%s has the help of %d commands, want 5 at least", program, n)
		}
	}
}

// helpFits reads the help of a command and of its subcommands, and returns how many it read.
func helpFits(t *testing.T, command ...string) int {
	t.Helper()
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), filepath.Join(bin, command[0]), args...).Output()
		if err != nil {
			t.Fatalf("%s %q: %v", command[0], args, err)
		}
		return string(out)
	}
	help := run(append(slices.Clone(command[1:]), "--help")...)
	for line := range strings.Lines(help) {
		isExample := strings.HasPrefix(line, "  "+command[0]+" ")
		if wide := text.Width(strings.TrimRight(line, "\n")); wide > 80 && !isExample {
			t.Errorf("%q: the help has a line of %d columns: %s", command, wide, line)
		}
	}
	read := 1
	_, list, hasCommands := strings.Cut(help, "\nAvailable Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		if name := strings.Fields(line)[0]; hasCommands && name != "help" {
			read += helpFits(t, append(slices.Clone(command), name)...)
		}
	}
	return read
}

// TestEveryCommandIsDocumented asks the programs for their commands, by their
// completion, and finds each in commands.md.
func TestEveryCommandIsDocumented(t *testing.T) {
	page := pages(t)["commands.md"]
	ofEvery := []string{"completion", "help", "version"}
	for program, least := range map[string]int{"stackpolicy": 9, "stackctl": 4, "stackfleet": 4} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(bin, program), "__complete", "").Output()
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for line := range strings.Lines(string(out)) {
			name, _, described := strings.Cut(line, "\t")
			if !described || slices.Contains(ofEvery, name) {
				continue
			}
			seen++
			if !strings.Contains(page, "\n| `"+program+" "+name) {
				t.Errorf("commands.md lacks %s %s", program, name)
			}
		}
		if seen < least {
			t.Errorf("%s completes %d commands, want %d at least", program, seen, least)
		}
	}
}
