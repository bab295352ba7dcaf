package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/policy"
	"stackpolicy/internal/text"
	"stackpolicy/policies"
)

func policyCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy DIR",
		Short: "Write the built-in policies, or those in use, to a new folder",
		Long: `Writes the built-in policies, their tests, settings and runbooks to DIR, which
must not exist. Edit them there, then run: stackpolicy policy test --policy DIR,
and stackpolicy eval --policy DIR (or set policies: DIR in config.yaml).

With --merged it writes the policies in use instead: a layer with the built-in rules
below it, and every setting. A stock opa can check and test that folder.

The hidden file .base.txtar in the folder has the built-in files as they are now, so that
stackpolicy policy upgrade can merge newer ones later.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the folder to create")
			}
			return nil
		},
	}
	var source policySource
	source.policyFlag(cmd)
	merged := cmd.Flags().Bool("merged", false, "write the policies in use, with every setting")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if source.policyDir != "" && !*merged {
			return errors.New("without --merged the built-in policies are copied, and --policy means nothing; leave it out, or add --merged")
		}
		builtin := policy.OpenWithTests(policies.FS, "")
		files, base := builtin.Files, policy.BaseOf(builtin)
		if *merged {
			var err error
			if files, base, err = source.merged(cmd.Context(), builtin); err != nil {
				return err
			}
		}
		kept, err := base.File()
		if err != nil {
			return err
		}
		if err := writeFolder(args[0], append(slices.Clone(files), kept)); err != nil {
			return fmt.Errorf("copy the policies: %w", err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "The policies are in %s. Next: stackpolicy policy test --policy %s\n",
			text.Clean(args[0]), text.Clean(args[0]))
		return nil
	}
	return cmd
}

// merged returns the files of the policies in use, for a complete folder, and their base.
func (s *policySource) merged(ctx context.Context, builtin policy.Source) ([]policy.File, policy.Base, error) {
	opened, err := s.open()
	if err != nil {
		return nil, policy.Base{}, err
	}
	p, err := cli.CheckPolicies(ctx, opened)
	if err != nil {
		return nil, policy.Base{}, err
	}
	base, err := s.base()
	if err != nil {
		return nil, policy.Base{}, err
	}
	files, err := policy.Merged(opened, p.Settings())
	if err != nil {
		return nil, policy.Base{}, err
	}
	base, err = base.OfMerged(opened, builtin)
	return files, base, err
}

// writeFolder writes a new folder. It writes to a temporary one and renames it, so that the
// folder is never incomplete.
func writeFolder(dir string, files []policy.File) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists already; name a new folder", dir)
	}
	part, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".stackpolicy-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	whole := filepath.Join(part, "policies")
	if err := os.Mkdir(whole, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := writeFile(filepath.Join(whole, f.Name), f.Text); err != nil {
			return err
		}
	}
	if err := makeWritable(whole); err != nil {
		return err
	}
	return os.Rename(whole, dir)
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// makeWritable allows edits by this account and nobody else, whatever its umask.
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
