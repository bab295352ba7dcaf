package docs

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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
