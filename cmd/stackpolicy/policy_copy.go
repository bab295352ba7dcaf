package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"stackpolicy/internal/text"
	"stackpolicy/policies"
)

func policyCopyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "copy DIR",
		Short: "Write the built-in policies to a new folder, for editing",
		Long: `Writes the built-in policies, their tests, settings and runbooks to DIR, which
must not exist. Edit them there, then run: stackpolicy policy test --policy DIR,
and stackpolicy eval --policy DIR (or set policies: DIR in config.yaml).`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the folder to create")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := copyPolicies(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The policies are in %s. Next: stackpolicy policy test --policy %s\n",
				text.Clean(args[0]), text.Clean(args[0]))
			return nil
		},
	}
}

// copyPolicies writes to a temporary folder and renames it, so that the policy folder
// is never incomplete.
func copyPolicies(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("copy the policies: %s exists already; name a new folder", dir)
	}
	parent := filepath.Dir(filepath.Clean(dir))
	part, err := os.MkdirTemp(parent, ".stackpolicy-*")
	if err != nil {
		return fmt.Errorf("copy the policies: %w", err)
	}
	defer os.RemoveAll(part)
	whole := filepath.Join(part, "policies")
	if err := os.CopyFS(whole, policies.FS); err != nil {
		return fmt.Errorf("copy the policies: %w", err)
	}
	if err := makeWritable(whole); err != nil {
		return fmt.Errorf("copy the policies: %w", err)
	}
	if err := os.Rename(whole, dir); err != nil {
		return fmt.Errorf("copy the policies: %w", err)
	}
	return nil
}

// makeWritable allows edits by this account and nobody else, whatever its umask: embedded
// files are read-only.
func makeWritable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}
