package cli

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"stackpolicy/internal/output"
)

// written runs a command with -o, and returns its output.
func written(t *testing.T, args ...string) (string, error) {
	t.Helper()
	write := func(word string) func(io.Writer, int) error {
		return func(w io.Writer, n int) error {
			_, err := io.WriteString(w, strings.Repeat(word, n))
			return err
		}
	}
	cmd := Root(&cobra.Command{Use: "program"})
	sub := &cobra.Command{Use: "show"}
	o := OutputFlag(sub, []output.Format[int]{{Name: "text", Write: write("a")}, {Name: "json", Write: write("1")}})
	sub.RunE = func(cmd *cobra.Command, _ []string) error { return o.Write(cmd.OutOrStdout(), 2) }
	cmd.AddCommand(sub)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestOutputFlag(t *testing.T) {
	for want, args := range map[string][]string{
		"aa": {"show"}, "11": {"show", "-o", "json"}, "aa ": {"show", "--output=text"},
	} {
		if got, err := written(t, args...); err != nil || got != strings.TrimSpace(want) {
			t.Errorf("%v: wrote %q, %v", args, got, err)
		}
	}
}

func TestOutputFlagRefuses(t *testing.T) {
	got, err := written(t, "show", "-o", "yaml")
	if err == nil || !strings.HasSuffix(err.Error(), `unknown output format "yaml"; known: text, json`) || got != "" {
		t.Errorf("wrote %q, %v", got, err)
	}
}

func TestOutputFlagCompletesAndHelps(t *testing.T) {
	got, err := written(t, "__complete", "show", "-o", "")
	if err != nil || !slices.Equal(strings.Fields(got)[:2], []string{"text", "json"}) {
		t.Errorf("completes %q, %v", got, err)
	}
	help, err := written(t, "show", "--help")
	if err != nil || !strings.Contains(help, `-o, --output format   output format: text, json (default text)`) {
		t.Errorf("helps with %q, %v", help, err)
	}
}
