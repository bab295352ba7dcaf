package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/facts"
	"stackpolicy/facts/blame"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
	"stackpolicy/internal/unitfile"
	"stackpolicy/report"
)

func blameCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "blame UNIT",
		Short: "Show which file and line each setting of a unit comes from",
		Long: `Shows the unit as its files define it now: its files and whether they are declared,
used and loaded, and each setting that counts with its file and line and with the
settings that it overrides. The unit need not be managed. Values are shown as they
are in the files, also those of Environment=.

Exit status: 0, or 3 if it could not look, or the unit does not exist.`,
		Example: "  stackpolicy blame web",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("blame takes one unit")
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return new(factSource).completeUnits(cmd, []string{finding.Host}, begun)
		},
	}
	format := cli.OutputFlag(cmd, report.BlameFormats())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if !unitfile.Valid(name) {
			name += ".service"
		}
		if !unitfile.Valid(name) {
			return fmt.Errorf("%q is not the name of a unit, such as web.service", args[0])
		}
		c, err := cli.ReadConfig()
		if err != nil {
			return err
		}
		env, err := collect.OfProcess(c)
		if err != nil {
			return err
		}
		memory, done := cli.Recall(cmd.Context(), env)
		defer done()
		env.Memory = memory
		defined, err := collect.Define(cmd.Context(), env, name)
		if err != nil {
			return err
		}
		if !exists(defined.Unit) {
			return notFound(name, defined.Known)
		}
		b, err := blame.Of(defined.Unit, unitfile.Assignments)
		if err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		return format.Write(w, report.Blamed{Blame: b, Asked: name, Options: options(w)})
	}
	return cmd
}

// exists reports whether anything defines the unit, or should. Drop-ins alone do not: those of
// a type are there for each name.
func exists(u facts.Unit) bool {
	if u.IsManaged() || u.Loaded != nil && u.Loaded.LoadState != "not-found" {
		return true
	}
	for _, f := range u.Files {
		if f.Role == facts.RoleFragment || f.Role == facts.RoleSource {
			return true
		}
	}
	return false
}

func notFound(name string, known []string) error {
	if similar := text.Nearest(name, known); similar != "" {
		return fmt.Errorf("the manager knows no unit %s; did you mean %s?", name, similar)
	}
	return fmt.Errorf("the manager knows no unit %s; `systemctl --user list-unit-files` lists the known ones", name)
}
