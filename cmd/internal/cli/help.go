package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/internal/text"
)

// helpWidth is how many columns a help text takes, also on a wider terminal.
const helpWidth = 80

// fitHelp makes the help of cmd and of its subcommands fit into a terminal of [helpWidth]. The
// lines of examples stay as they are.
func fitHelp(cmd *cobra.Command) {
	cmd.SetUsageTemplate(strings.NewReplacer(
		"Flags.FlagUsages", fmt.Sprintf("Flags.FlagUsagesWrapped %d", helpWidth),
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`, `The help of a command: {{.CommandPath}} [command] --help`,
	).Replace(cmd.UsageTemplate()))
	cmd.SetHelpFunc(func(c *cobra.Command, _ []string) {
		about := c.Long
		if about == "" {
			about = c.Short
		}
		fmt.Fprintf(c.OutOrStdout(), "%s\n\n%s", fit(about), c.UsageString())
	})
}

// fit breaks the lines of each paragraph that has one which is too long anew. Lines that begin
// with a space are tables and commands: each stays a line of its own.
func fit(about string) string {
	var out, paragraph []string
	end := func() {
		whole := strings.Join(paragraph, " ")
		for _, line := range paragraph {
			if text.Width(line) > helpWidth {
				paragraph = text.Wrap(whole, helpWidth)
				break
			}
		}
		out, paragraph = append(out, paragraph...), nil
	}
	for line := range strings.SplitSeq(strings.TrimSpace(about), "\n") {
		if line == "" || strings.HasPrefix(line, " ") {
			end()
			out = append(out, line)
			continue
		}
		paragraph = append(paragraph, line)
	}
	end()
	return strings.Join(out, "\n")
}
