package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"stackpolicy/decide/confined"
	"stackpolicy/finding"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/text"
)

func policyFmtCommand(exit *int) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fmt",
		Short: "Format the policy folder's Rego files as opa fmt does",
		Long: `Formats the Rego files of the folder of --policy or of the configuration, and names
those that it changed. With --check it only names them: exit status 1 if there are any.`,
		Args: cobra.NoArgs,
	}
	var source policySource
	source.policyFlag(cmd)
	check := cmd.Flags().Bool("check", false, "change nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := source.folder()
		if err != nil {
			return err
		}
		opened, err := source.open()
		if err != nil {
			return err
		}
		files, err := confined.Formatted(cmd.Context(), opened)
		if err != nil {
			return err
		}
		for _, f := range files {
			fmt.Fprintln(cmd.OutOrStdout(), text.Clean(f.Name))
			if *check {
				*exit = finding.LevelWarning.ExitCode()
				continue
			}
			write := func(w io.Writer) error { _, err := w.Write(f.Text); return err }
			if err := atomicfile.Write(filepath.Join(dir, f.Name), 0o644, write); err != nil {
				return fmt.Errorf("format %s: %w", f.Name, err)
			}
		}
		return nil
	}
	return cmd
}
