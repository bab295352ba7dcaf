package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelpFits(t *testing.T) {
	root := Root(&cobra.Command{Use: "toy"})
	do := &cobra.Command{Use: "do", Run: func(*cobra.Command, []string) {}, Example: "  toy do " + strings.Repeat("--long ", 20)}
	do.Long = "Does what it is told.\n\nThis paragraph is wider than a terminal, so all of it is broken anew at the\nlast space " +
		"before the end of a line, and says `toy do --with a command` whole.\n\nA short\nparagraph stays.\n\n  a table  stays\n  0  too"
	do.Flags().String("file", "", "a `FILE` that has a very long explanation, which is broken below the place where it began")
	root.AddCommand(do)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"do", "--help"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > helpWidth+1 && !strings.Contains(line, "--long --long") {
			t.Errorf("too wide: %s", line)
		}
	}
	for _, want := range []string{
		"the\nlast space before", "`toy do --with a command`", "\n\nA short\nparagraph stays.\n\n  a table  stays\n  0  too\n\nUsage:\n  toy do [flags]\n",
		"\n      --file FILE   a FILE that has a very long explanation, which is\n                    broken below the place",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
}
