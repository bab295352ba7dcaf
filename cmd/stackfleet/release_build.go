package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/policy"
	"stackpolicy/fleet/release"
)

// rulesIn returns the files of a folder of rules, without what is below a layer.
func rulesIn(dir string) (policy.Source, error) {
	if _, err := os.Stat(dir); err != nil {
		return policy.Source{}, fmt.Errorf("open the rules: %w", err)
	}
	s := policy.OpenWithTests(os.DirFS(dir), dir)
	refusal := s.NewRefusal()
	refusal.Problems = s.Problems
	return s, refusal.Err()
}

func (r *releases) build() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build RULES",
		Short: "Make the next release of a channel from a folder of rules",
		Long: `Makes the next release of a channel from a folder of rules: a whole one, or a layer over
the built-in rules. It checks and tests the rules as each host will. The release waits
for signatures, and no stage of it is open unless --open says so.`,
		Example: `  stackfleet release build ./rules
  stackfleet release build ./rules --stage role=canary --stage all --open 1`,
		Args: cli.Takes("RULES"),
	}
	var plan planFlags
	plan.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		rules, err := rulesIn(args[0])
		if err != nil {
			return err
		}
		if err := cli.CheckRelease(cmd.Context(), rules); err != nil {
			return err
		}
		bundle, err := release.Pack(rules.Files)
		if err != nil {
			return err
		}
		edit, err := plan.edit()
		if err != nil {
			return err
		}
		repository, err := r.open()
		if err != nil {
			return err
		}
		p, err := repository.Propose(plan.channel, bundle, time.Now(), edit)
		if err != nil {
			return err
		}
		describe(cmd.OutOrStdout(), p)
		return r.whoSigns(cmd, repository)
	}
	return cmd
}

// planFlags are flags for the plan of a new release.
type planFlags struct {
	channel, program string
	stages           []string
	open             int
	expires          *cli.Ago
	success          release.Success
	minTime          time.Duration
}

func (f *planFlags) flags(cmd *cobra.Command) {
	f.success = release.DefaultSuccess()
	cmd.Flags().StringVar(&f.channel, "channel", "stable", "`NAME` of the channel that hosts follow")
	cmd.Flags().StringArrayVar(&f.stages, "stage", nil, "a `STAGE`, once for each in order: labels, a share of the hosts, or all (default role=canary, 10%, 50%, all)")
	cmd.Flags().IntVar(&f.open, "open", 0, "how many stages are open from the beginning")
	f.expires = expiresFlag(cmd)
	cmd.Flags().StringVar(&f.program, "minimum-program", "", "the oldest `VERSION` of stackpolicy that the rules are for")
	cmd.Flags().IntVar(&f.success.MinAudits, "min-audits", f.success.MinAudits, "audits in shadow before it acts on a host")
	cmd.Flags().DurationVar(&f.minTime, "min-time", time.Duration(f.success.MinTime), "time in shadow before it acts on a host")
	cmd.Flags().IntVar(&f.success.MaxNewPages, "max-new-pages", 0, "how many findings to page about may be new on a host, as stackpolicy impact predicts")
}

// expiresFlag adds --expires.
func expiresFlag(cmd *cobra.Command) *cli.Ago {
	usual := cli.Ago(release.TargetsLife)
	return cli.SpanFlag(cmd, "expires", usual.String(), "after how long hosts no longer begin to use it, such as 30d or 240h")
}

func (f *planFlags) edit() (func(*release.Plan), error) {
	stages, err := stagesOf(f.stages)
	if err != nil {
		return nil, err
	}
	return func(p *release.Plan) {
		p.MinimumProgram, p.OpenStage, p.Success = f.program, f.open, f.success
		p.Success.MinTime = release.Duration(f.minTime)
		p.Expires = time.Now().Add(time.Duration(*f.expires)).UTC().Truncate(time.Second)
		if len(stages) > 0 {
			p.Stages = stages
		}
	}, nil
}
