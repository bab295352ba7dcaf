package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/text"
)

// policySource says where a command's policies come from.
type policySource struct {
	policyDir string // value of --policy; if "", the configuration decides
}

func (s *policySource) policyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.policyDir, "policy", "", "folder of policies: with main.rego instead of the built-in ones, otherwise over them")
	_ = cmd.MarkFlagDirname("policy")
}

// dir returns the policy folder that the flag or the configuration names, "" for none: then the
// active release or the built-in policies are in use.
func (s *policySource) dir(c config.Config) string { return cmp.Or(s.policyDir, c.Policies) }

func (s *policySource) loadPolicies(ctx context.Context, c config.Config) (*decide.Policies, error) {
	return cli.LoadInUse(ctx, s.policyDir, c, nil)
}

// factSource says where a command's facts come from.
type factSource struct {
	factsFile string  // value of --facts; if "", the live system
	maxAge    cli.Ago // value of --max-age; 0 accepts facts of any time
}

func (s *factSource) factsFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.factsFile, "facts", "", "judge this facts document (- is standard input) instead of the live system")
	_ = cmd.MarkFlagFilename("facts", "json")
}

func (s *factSource) maxAgeFlag(cmd *cobra.Command) {
	cmd.Flags().Var(&s.maxAge, "max-age", "take older facts of --facts, or future ones, for unknown (exit status 3), such as 15m")
}

// warnOfAge writes how old facts are that are not about now.
func warnOfAge(errs io.Writer, collected time.Time) {
	now := time.Now()
	switch {
	case audit.IsAboutNow(collected, now):
	case collected.After(now):
		fmt.Fprintf(errs, "stackpolicy: the facts are from the future, by %s: a clock is wrong\n", text.Elapsed(collected.Sub(now)))
	default:
		fmt.Fprintf(errs, "stackpolicy: the facts are %s old: the verdict is about that time, and not about now\n", text.Elapsed(now.Sub(collected)))
	}
}

// document reads the recorded document; nil without --facts.
func (s *factSource) document(in io.Reader) (*facts.Document, error) {
	switch s.factsFile {
	case "":
		return nil, nil
	case "-":
		return facts.Read("standard input", in)
	}
	f, err := regularfile.Open(s.factsFile)
	if errors.Is(err, regularfile.ErrNotRegular) {
		return nil, fmt.Errorf("read the facts: %w; pipe them to --facts -", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > maxFacts {
		return nil, fmt.Errorf("read the facts %s: larger than %d MiB, the limit for a facts document", s.factsFile, maxFacts>>20)
	}
	return facts.Read(s.factsFile, f)
}

// maxFacts is the limit of a file whose size is known; facts.Read has the same limit
// for what it reads.
const maxFacts = 128 << 20

// snapshot returns the recorded document, or a live one.
func (s *factSource) snapshot(ctx context.Context, in io.Reader, c config.Config) (*facts.Document, error) {
	doc, err := s.document(in)
	if doc != nil || err != nil {
		return doc, err
	}
	env, err := cli.Environment(c)
	if err != nil {
		return nil, err
	}
	memory, done := cli.Recall(ctx, env)
	defer done()
	env.Memory = memory
	doc = collect.Collect(ctx, env)
	collect.AddOptional(ctx, env, doc, func(string) bool { return true })
	return doc, ctx.Err() // a document that was interrupted lacks much
}
