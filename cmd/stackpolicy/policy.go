package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/decide/lint"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/internal/text"
	"stackpolicy/policies"
	"stackpolicy/report"
)

func (a *app) policy() *cobra.Command {
	cmd := cli.Group(&cobra.Command{Use: "policy", Short: "List, check, test and copy the policies"})
	for _, sub := range []*cobra.Command{a.policyList(), a.policyCheck(), a.policyTest()} {
		a.policyFlag(sub)
		cmd.AddCommand(sub)
	}
	cmd.AddCommand(policyCopy())
	return cmd
}

func (a *app) policyList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the invariants: what each asks for, of what, and how loudly",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cli.ReadConfig()
			if err != nil {
				return err
			}
			p, err := a.loadPolicies(cmd.Context(), c)
			if err != nil {
				return err
			}
			return report.Invariants(cmd.OutOrStdout(), p.Invariants(), options(cmd.OutOrStdout(), p))
		},
	}
}

func (a *app) policyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check that the policies load, and are formatted as opa fmt does",
		Long: `Checks what every audit checks before it trusts a policy folder: complete
METADATA, known facts, effects and actions, no undeclared section, no forbidden
builtin; and the format. Exit status: 0, or 3 with every refusal by file and
line on standard error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fsys, name, err := a.policyFolder()
			if err != nil {
				return err
			}
			p, err := decide.Load(cmd.Context(), fsys, decide.Options{Name: name})
			if err != nil {
				return err
			}
			unformatted, err := lint.Unformatted(policy.OpenWithTests(fsys, name))
			if err != nil {
				return err
			}
			if len(unformatted) > 0 {
				return fmt.Errorf("not formatted; run opa fmt -w on: %s", strings.Join(unformatted, ", "))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d invariants are in order\n", len(p.Invariants()))
			return nil
		},
	}
}

func (a *app) policyFolder() (fs.FS, string, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, "", err
	}
	return a.policyFS(c)
}

func (a *app) policyTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the policies' Rego tests, with coverage, without any opa installed",
		Long: `Runs every *_test.rego of the policies and tells how much of the rules they
cover. Exit status: 0 when all pass and the coverage is high enough, 2 when a
test fails or it is not, 3 when they could not be run.`,
		Args: cobra.NoArgs,
	}
	verbose := cmd.Flags().BoolP("verbose", "v", false, "list every test, and the lines that none covers")
	floor := cmd.Flags().Float64("coverage", 0, "least coverage of the rules, in percent")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		fsys, name, err := a.policyFolder()
		if err != nil {
			return err
		}
		p, err := decide.Load(cmd.Context(), fsys, decide.Options{Name: name})
		if err != nil {
			return err
		}
		tests, err := regotest.Run(cmd.Context(), policy.OpenWithTests(fsys, name))
		if err != nil {
			return err
		}
		if !tests.Passed() || tests.Percent < *floor {
			a.status = audit.ExitCritical
		}
		return report.PolicyTests(cmd.OutOrStdout(), tests, *floor, *verbose, options(cmd.OutOrStdout(), p))
	}
	return cmd
}

func policyCopy() *cobra.Command {
	return &cobra.Command{
		Use:   "copy DIR",
		Short: "Write the built-in policies to a new folder, for editing",
		Long: `Writes the built-in policies, their tests, settings and runbooks to DIR, which
must not exist. Edit them there, then: stackpolicy policy test --policy DIR,
and stackpolicy eval --policy DIR (or policies: DIR in config.yaml).`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("copy takes the folder to make")
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

// copyPolicies writes beside the folder first and then renames, so that there
// is never half a policy folder.
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

// makeWritable: embedded files are read-only, and their copies are for editing.
func makeWritable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o644)
	})
}
