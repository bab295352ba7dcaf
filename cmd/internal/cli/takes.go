package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Takes returns the check that a command is given an argument for each of the names; one in
// brackets, as in [N], may be left out at the end. The error says what is missing, or too much.
func Takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names) && !strings.HasPrefix(names[len(args)], "["):
			return fmt.Errorf("%s is missing: %s %s", names[len(args)], cmd.CommandPath(), strings.Join(names, " "))
		case len(args) <= len(names):
			return nil
		case len(names) == 0:
			return fmt.Errorf("%s takes no argument: leave %q out", cmd.CommandPath(), args[0])
		}
		return fmt.Errorf("%s takes %s and no more: leave %q out, or put quotes around what belongs together",
			cmd.CommandPath(), strings.Join(names, " "), args[len(names)])
	}
}
