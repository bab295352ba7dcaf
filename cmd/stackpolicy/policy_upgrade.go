package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/text"
	"stackpolicy/policies"
	"stackpolicy/report"
)

// policyUpgrade is the command policy upgrade.
type policyUpgrade struct {
	policySource
	dryRun, adopt bool
}

func policyUpgradeCommand(exit *int) *cobra.Command {
	u := &policyUpgrade{}
	cmd := &cobra.Command{
		Use:   "upgrade [DIR]",
		Short: "Merge changes of newer built-in policies into the policy folder",
		Long: `Merges what the built-in policies of this stackpolicy have changed into a folder that
policy copy made, or into the invariants of a layer that replace built-in ones. A file
that was not edited becomes the newer one; an edited one keeps its edits. Where both
changed the same lines it has both, marked as git does, and the folder is refused until
somebody has chosen. New built-in files are added; what is no longer built in is removed
if it was not edited. The folder is replaced in one step, or stays as it was.

The folder is DIR, that of --policy, or that of the configuration. Of the rules below a
layer it says which have changed since the last upgrade.

Exit status: 0 it is upgraded, 1 files are left for a person to look at, 3 it failed, and
nothing was changed, or the message says what. With --dry-run nothing is changed either, and the status is the same.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("upgrade takes one folder at most")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	u.policyFlag(cmd)
	cmd.Flags().BoolVar(&u.dryRun, "dry-run", false, "show what would be done")
	cmd.Flags().BoolVar(&u.adopt, "adopt", false, "take files that do not say what they were made from as compared with the built-in ones as they are now")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		u.policyDir = cmp.Or(strings.Join(args, ""), u.policyDir)
		unfinished, err := u.run(cmd.OutOrStdout())
		if err == nil && len(unfinished) > 0 {
			*exit = finding.LevelWarning.ExitCode()
		}
		return err
	}
	return cmd
}

// run upgrades the folder, and returns the files that a person has to look at.
func (u *policyUpgrade) run(w io.Writer) (unfinished []string, err error) {
	dir, err := u.folder()
	if err != nil {
		return nil, err
	}
	mine, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	base, err := policy.ReadBase(dir)
	if err != nil {
		return nil, err
	}
	plan, err := policy.PlanUpgrade(mine, base, policy.OpenWithTests(policies.FS, ""), cli.Version(), u.adopt)
	if err != nil {
		return nil, err
	}
	if !u.dryRun {
		switch err := upgradeFolder(dir, mine, base, plan); {
		case errors.Is(err, atomicfile.ErrKept):
			return nil, fmt.Errorf("upgrade the policies: %w", err)
		case err != nil:
			return nil, fmt.Errorf("upgrade the policies; nothing was changed: %w", err)
		}
	}
	if err := report.PolicyUpgrade(w, plan.Steps, options(w)); err != nil {
		return nil, err
	}
	return plan.Unfinished(), u.say(w, dir, plan)
}

// say writes what to do next.
func (u *policyUpgrade) say(w io.Writer, dir string, plan policy.Upgrade) error {
	shown := text.Clean(dir)
	var lines []string
	if len(plan.Steps) == 0 {
		lines = append(lines, fmt.Sprintf("%s needs no upgrade to the built-in policies of stackpolicy %s.", shown, cli.Version()))
	}
	if u.dryRun {
		lines = append(lines, "Nothing was changed: --dry-run.")
	}
	if plan.Has(policy.DidConflict) {
		lines = append(lines, "Conflicts: choose between mine and built in, and remove the lines with the marks. Until then the folder is refused.")
	}
	if plan.Has(policy.DidNotKnow) {
		lines = append(lines, fmt.Sprintf("No base: compare these files with the built-in ones (stackpolicy policy diff -u --policy %s), or begin again with policy new or policy copy. Then: stackpolicy policy upgrade --adopt %s", shown, shown))
	}
	if plan.Has(policy.DidNote) {
		lines = append(lines, fmt.Sprintf("What other rules would have said: stackpolicy impact --policy %s", shown))
	}
	if len(plan.Change) > 0 && !u.dryRun {
		lines = append(lines, fmt.Sprintf("Next: stackpolicy policy check --policy %s && stackpolicy policy test --policy %s", shown, shown))
		if isBelow(dir) {
			lines = append(lines, "The folder was replaced. Enter it again: cd \"$PWD\"")
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// openFolder opens the files of a policy folder, without what is below a layer.
func openFolder(dir string) (policy.Source, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return policy.Source{}, cmp.Or(err, fmt.Errorf("%s is not a folder", dir))
	}
	s := policy.OpenWithTests(os.DirFS(dir), dir)
	refusal := s.NewRefusal()
	refusal.Problems = slices.Clone(s.Problems)
	return s, refusal.Err()
}

// upgradeFolder carries out a plan for a folder, which must still be as it was read.
func upgradeFolder(dir string, mine policy.Source, base policy.Base, plan policy.Upgrade) error {
	if err := atomicfile.ReadOnly(dir); err != nil {
		return err
	}
	kept, err := plan.Base.File()
	if err != nil {
		return err
	}
	was, err := base.File()
	switch {
	case len(plan.Change) > 0:
	case err == nil && slices.Equal(was.Text, kept.Text):
		return nil
	default:
		return writeBase(dir, kept)
	}
	change := map[string][]byte{kept.Name: kept.Text}
	for name, text := range plan.Change {
		change[name] = text
	}
	return atomicfile.Folder(dir, change, func() error {
		now, err := openFolder(dir)
		if err == nil && !now.Equal(mine) {
			err = fmt.Errorf("%s was changed meanwhile; run it again", dir)
		}
		return err
	})
}

// writeBase writes the base file of a policy folder.
func writeBase(dir string, base policy.File) error {
	write := func(w io.Writer) error { _, err := w.Write(base.Text); return err }
	return atomicfile.Write(filepath.Join(dir, base.Name), 0o644, write)
}

// isBelow reports whether the process works in the folder, or below it.
func isBelow(dir string) bool {
	here, err := os.Getwd()
	if err != nil {
		return true
	}
	dir, err = filepath.Abs(dir)
	return err == nil && (here == dir || strings.HasPrefix(here, dir+string(filepath.Separator)))
}
