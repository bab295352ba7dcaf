package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"stackpolicy/decide/policy"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/text"
	"stackpolicy/policies"
)

func policyNewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new ID",
		Short: "Write a rule, its test and its runbook into the policy folder",
		Long: `Writes invariants/ID into the folder of --policy or of the configuration: a rule, its
test and its runbook, which pass as they are. For the id of a built-in invariant they
are copies of its files; custom.replaces says which version they were made from, and
.base.txtar has that version, for stackpolicy policy upgrade. A
folder without main.rego is laid over the built-in policies. No file is written over.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the invariant, for what is right: images_versioned")
			}
			return nil
		},
	}
	var source policySource
	source.policyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir, err := source.folder()
		if err != nil {
			return err
		}
		if err := atomicfile.ReadOnly(dir); err != nil {
			return err
		}
		builtin := policy.OpenWithTests(policies.FS, "")
		files, err := policy.Begin(args[0], builtin)
		if err != nil {
			return err
		}
		base, err := policy.BaseWithNew(dir, args[0], builtin)
		if err != nil {
			return err
		}
		folder := filepath.Join(dir, "invariants", args[0])
		for i := range files {
			files[i].Name = path.Base(files[i].Name)
		}
		if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
			return fmt.Errorf("write the invariant: %w", err)
		}
		if err := writeFolder(folder, files); err != nil {
			return fmt.Errorf("write the invariant: %w", err)
		}
		if err := writeBase(dir, base); err != nil {
			return errors.Join(fmt.Errorf("write what the policies were made from: %w", err), os.RemoveAll(folder))
		}
		for _, f := range files {
			fmt.Fprintln(cmd.OutOrStdout(), text.Clean(filepath.Join(folder, f.Name)))
		}
		return nil
	}
	return cmd
}
