package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/release"
)

func (r *releases) sign() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign --key FILE",
		Short: "Sign what waits for signatures; the last one publishes it",
		Long: `Signs all that waits for signatures and shows it first. When enough people have signed it is
published. With --rules the release is only signed if it is exactly that folder of
rules: so nobody has to trust the machine on which it was built.

To sign on another machine, copy the folder of the releases there without online.key,
and copy it back.`,
		Args: cli.Takes(),
	}
	file := cmd.Flags().String("key", "", "`FILE` of your key")
	_ = cmd.MarkFlagRequired("key")
	_ = cmd.MarkFlagFilename("key")
	rules := cmd.Flags().String("rules", "", "`FOLDER` of rules that a release must have; otherwise it is not signed")
	_ = cmd.MarkFlagDirname("rules")
	var words passphrase
	words.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		repository, err := r.open()
		if err != nil {
			return err
		}
		if err := r.show(cmd, repository, *rules); err != nil {
			return err
		}
		key, err := release.ReadKey(*file, func() ([]byte, error) { return words.read(cmd, false) })
		if err != nil {
			return err
		}
		signed, published, err := repository.Sign(key, time.Now())
		if err != nil {
			return err
		}
		waiting(cmd.OutOrStdout(), signed)
		if published {
			fmt.Fprintln(cmd.OutOrStdout(), "published")
			return r.afterwards(cmd, repository)
		}
		return nil
	}
	return cmd
}

// afterwards says of releases that may act on no host yet what makes them act.
func (r *releases) afterwards(cmd *cobra.Command, repository release.Repository) error {
	s, err := repository.Status(time.Now())
	for _, p := range s.Published {
		if p.OpenStage == 0 && !p.Halted {
			fmt.Fprintf(cmd.OutOrStdout(), "no stage of release %d is open yet: stackfleet release stage %s, then sign\n", p.Version, p.Channel)
		}
	}
	return err
}

// show writes what is about to be signed. It is an error if the rules are given, and no release
// that waits has exactly them.
func (r *releases) show(cmd *cobra.Command, repository release.Repository, rules string) error {
	s, err := repository.Status(time.Now())
	if err != nil {
		return err
	}
	if s.Keys != nil {
		fmt.Fprintf(cmd.OutOrStdout(), "the root: %d of %s sign\n", s.Keys.Threshold, strings.Join(s.Keys.People, ", "))
	}
	for _, p := range s.Staged {
		if !slices.ContainsFunc(s.Published, p.Equal) {
			describe(cmd.OutOrStdout(), p)
		}
	}
	if rules == "" {
		return nil
	}
	source, err := rulesIn(rules)
	if err != nil {
		return err
	}
	bundle, err := release.Pack(source.Files)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Staged, func(p release.Plan) bool { return p.Bundle == release.DigestOf(bundle) }) {
		return fmt.Errorf("not signed: no release that waits has the rules of %s, which are sha256:%s", rules, release.DigestOf(bundle))
	}
	return nil
}
