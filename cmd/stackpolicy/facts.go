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
schemas/v1/facts.json). It has no values of environment variables or secrets. Exit
status: 0, or 3 if something could not be collected, with the reason on standard
error.`,
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
					fmt.Fprintf(cmd.ErrOrStderr(), "stackpolicy: could not collect %s: %s\n", name, text.CleanBlock(s.Error))
				}
			}
			return report.JSON(cli.Raw(cmd.OutOrStdout()), doc)
		},
	}
}
