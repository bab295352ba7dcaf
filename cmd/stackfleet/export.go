package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/export"
)

const monthForm = "2006-01"

func (a *app) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a month of audits, findings and actions as Parquet",
		Long: `Writes what the archive has of a month to FOLDER/MONTH for other tools, such as DuckDB:
audits.parquet (audits with the same result, which ended in it), findings.parquet
(those that were open in it) and actions.parquet. Each file is whole or not there, and
replaces the one of an earlier export. The archive is not changed.`,
		Example: "  stackfleet export --to ./months\n  stackfleet export --to ./months --month 2026-10",
		Args:    cli.Takes(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := cmd.Flags().String("to", "", "`FOLDER` to write to")
	month := cmd.Flags().String("month", "", "`MONTH` such as 2026-10 (default: the last that has ended)")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.MarkFlagDirname("to")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		begin, err := monthOf(*month, time.Now())
		if err != nil {
			return err
		}
		h, err := a.open()
		if err != nil {
			return err
		}
		store := archive.OpenReadOnly(h.data, h.keys.Registry.Public())
		defer store.Close()
		return export.Month(cmd.Context(), store, begin, filepath.Join(*to, begin.Format(monthForm)))
	}
	return cmd
}

// monthOf returns the beginning of a month; "" is the last that has ended.
func monthOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		now = now.UTC()
		return time.Date(now.Year(), now.Month()-1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	begin, err := time.Parse(monthForm, text)
	if err != nil {
		return begin, fmt.Errorf("--month: %q is no month; want one such as 2026-10", text)
	}
	if begin.After(now) {
		return begin, fmt.Errorf("--month: %s has not begun yet", text)
	}
	return begin, nil
}
