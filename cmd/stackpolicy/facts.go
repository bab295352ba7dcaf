package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
	"stackpolicy/report"
)

func factsCommand(exit *int) *cobra.Command {
	return &cobra.Command{
		Use:   "facts",
		Short: "Print the facts document that rules decide on",
		Long: `Prints one snapshot as JSON (stackpolicy.facts/v1; its JSON Schema is
schemas/v1/facts.json). Values of environment variables and of secrets are not in
it. Exit status: 0, or 3 when something could not be looked at; that is said on
standard error too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cli.ReadConfig()
			if err != nil {
				return err
			}
			doc, err := new(factSource).snapshot(cmd.Context(), nil, c)
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(doc.Collectors)) {
				if s := doc.Collectors[name]; !s.OK {
					*exit = finding.LevelUnknown.ExitCode()
					fmt.Fprintf(cmd.ErrOrStderr(), "stackpolicy: could not look (%s): %s\n", name, text.CleanBlock(s.Error))
				}
			}
			return report.JSON(cmd.OutOrStdout(), doc)
		},
	}
}
