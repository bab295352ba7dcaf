package main

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/internal/text"
	"stackpolicy/schemas"
)

// schemaFile is a published schema.
type schemaFile struct {
	folder fs.FS
	file   string
}

func schemaFiles() (names []string, files map[string]schemaFile) {
	return []string{"config", "settings", "metadata", "facts", "data-settings", "report", "gate"}, map[string]schemaFile{
		"config": {schemas.Editor, "config.json"}, "settings": {schemas.Editor, "settings.json"}, "metadata": {schemas.Editor, "metadata.json"},
		"facts": {schemas.FS, "facts.json"}, "data-settings": {schemas.FS, "settings.json"}, "report": {schemas.FS, "report.json"}, "gate": {schemas.FS, "gate.json"},
	}
}

func schemaCommand() *cobra.Command {
	names, files := schemaFiles()
	return &cobra.Command{
		Use:   "schema NAME",
		Short: "Print a JSON Schema, for editors and validators",
		Long: `Prints the JSON Schema of config.yaml (config), settings.yaml (settings), the
METADATA of a rule (metadata), the facts document (facts), the settings as rules read
them (data-settings), the report of an audit (report) or the result of a gate (gate).`,
		Example:   "  stackpolicy schema config > ~/.config/stackpolicy/config.schema.json",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("schema takes one name: %s", strings.Join(names, ", "))
			}
			if files[args[0]].file == "" {
				return fmt.Errorf("unknown schema %q; %s", args[0], text.Known(args[0], names))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f := files[args[0]]
			content, err := fs.ReadFile(f.folder, f.file)
			if err != nil {
				return err
			}
			_, err = cli.Raw(cmd.OutOrStdout()).Write(content)
			return err
		},
	}
}
