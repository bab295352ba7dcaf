package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

const (
	longest   = 366 * 24 * time.Hour
	maxWords  = 200 // runes of a reason or an owner
	spansRead = 20  // recent runs of audits in which the units are searched
)

func holdCommand() *cobra.Command {
	e := exemption{}
	cmd := &cobra.Command{
		Use:   "hold UNIT",
		Short: "Begin planned maintenance of a unit",
		Long: `While a unit is held, findings about whether it runs do not count, and nothing
acts on it. They stay visible, with the reason. Other findings count as before.
When the hold ends and the unit is still down, its findings count again. To
declare a hold, see holds in config.yaml.`,
		Example: "  stackpolicy hold web --for 2h --reason \"new disk\"",
		Args:    cli.Takes("UNIT"),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.make(cmd, args[0], "") },
	}
	e.flags(cmd)
	return cmd
}

func waiveCommand(source *policySource) *cobra.Command {
	e := exemption{source: source}
	cmd := &cobra.Command{
		Use:   "waive UNIT|host INVARIANT",
		Short: "Let a finding not count until a given time",
		Long: `A waived finding stays visible, with the reason, and is not healed. It counts again
from the given time on. For waivers that go to every machine, see waivers in
settings.yaml.`,
		Example: "  stackpolicy waive web probes_answer --for 2d --reason \"certificate is ordered\"",
		Args:    cli.Takes("UNIT|host", "INVARIANT"),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.make(cmd, args[0], args[1]) },
	}
	e.flags(cmd)
	source.policyFlag(cmd)
	return cmd
}

func releaseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "release UNIT",
		Short: "End planned maintenance of a unit",
		Args:  cli.Takes("UNIT"),
		RunE:  func(cmd *cobra.Command, args []string) error { return endExemption(cmd, args[0], "") },
	}
}

func unwaiveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unwaive UNIT|host INVARIANT",
		Short: "End a waiver that was made with waive",
		Args:  cli.Takes("UNIT|host", "INVARIANT"),
		RunE:  func(cmd *cobra.Command, args []string) error { return endExemption(cmd, args[0], args[1]) },
	}
}

// exemption is a hold or a waiver to be made.
type exemption struct {
	source               *policySource // nil for a hold
	period               cli.Ago
	until, reason, owner string
}

func (e *exemption) flags(cmd *cobra.Command) {
	cmd.Flags().Var(&e.period, "for", "how long, such as 90m, 2h or 2d")
	cmd.Flags().StringVar(&e.until, "until", "", "until when, such as 2026-12-24T18:00:00Z")
	cmd.Flags().StringVar(&e.reason, "reason", "", "why, in one line")
	cmd.Flags().StringVar(&e.owner, "owner", userName(), "who says so")
	cmd.MarkFlagsMutuallyExclusive("for", "until")
	cmd.MarkFlagsOneRequired("for", "until")
	_ = cmd.MarkFlagRequired("reason")
}

func (e *exemption) make(cmd *cobra.Command, subject, invariant string) error {
	ctx, now := cmd.Context(), time.Now()
	until, err := e.end(now)
	if err == nil {
		err = e.check(ctx, subject, invariant)
	}
	if err != nil {
		return err
	}
	store, err := openMemory(ctx, now)
	if err != nil {
		return err
	}
	defer store.Close()
	if subject, err = knownSubject(ctx, store, subject); err != nil {
		return err
	}
	err = store.Exempt(ctx, subject, facts.Exemption{
		Invariant: invariant, Reason: e.reason, Owner: e.owner, Since: now.UTC(), Until: until,
	})
	if err != nil {
		return err
	}
	what := subject + " is held"
	if invariant != "" {
		what = finding.CurrentID(invariant) + " is waived for " + subject
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s until %s\n", what, until.Format(time.RFC3339))
	return err
}

// end returns when the exemption ends. It must be in the future and within a year.
func (e *exemption) end(now time.Time) (time.Time, error) {
	until := now.Add(time.Duration(e.period))
	if e.until != "" {
		var err error
		if until, err = time.Parse(time.RFC3339, e.until); err != nil {
			return until, fmt.Errorf("--until %q is not a time with a zone; want for example 2026-12-24T18:00:00Z", e.until)
		}
	}
	if !until.After(now) || until.After(now.Add(longest)) {
		return until, fmt.Errorf("%s is not within a year from now", until.UTC().Format(time.RFC3339))
	}
	return until.UTC().Truncate(time.Second), nil
}

func (e *exemption) check(ctx context.Context, subject, invariant string) error {
	for flag, words := range map[string]string{"reason": e.reason, "owner": e.owner} {
		if n := utf8.RuneCountInString(words); n == 0 || n > maxWords || strings.ContainsFunc(words, unicode.IsControl) {
			return fmt.Errorf("--%s: want one line of 1 to %d characters", flag, maxWords)
		}
	}
	switch {
	case e.source == nil && subject == finding.Host:
		return errors.New("a host cannot be held; name a unit")
	case e.source == nil:
		return nil
	case invariant == policy.WatchesWaivers:
		return fmt.Errorf("%s cannot be waived", invariant)
	}
	c, err := cli.ReadConfig()
	if err != nil {
		return err
	}
	p, err := e.source.loadPolicies(ctx, c)
	if err != nil {
		return err
	}
	var known []string
	for _, i := range p.Invariants() {
		known = append(known, i.ID)
	}
	if !slices.Contains(known, invariant) && !slices.Contains(known, finding.CurrentID(invariant)) {
		return fmt.Errorf("unknown invariant %q; %s", invariant, text.Known(invariant, known))
	}
	return nil
}

// knownSubject returns the full name of a unit that audits manage, or the host. Other
// names are an error, because a misspelt name would exempt nothing.
func knownSubject(ctx context.Context, store *history.Store, name string) (string, error) {
	known := []string{finding.Host}
	spans, err := store.Audits(ctx, time.Time{}, spansRead)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(spans, func(s history.AuditSpan) bool { return s.DocumentDigest != "" })
	if i < 0 {
		return "", errors.New("there was no audit yet, so no unit is known: run stackpolicy eval")
	}
	doc, err := store.Document(ctx, spans[i].DocumentDigest, spans[i].To)
	if err != nil {
		return "", err
	}
	for _, u := range doc.Units {
		if u.IsManaged() {
			known = append(known, u.Name)
		}
	}
	for _, full := range []string{name, name + ".service"} {
		if slices.Contains(known, full) {
			return full, nil
		}
	}
	return "", fmt.Errorf("%q is not managed; %s", name, text.Known(name, known))
}

func endExemption(cmd *cobra.Command, subject, invariant string) error {
	store, err := openMemory(cmd.Context(), time.Now())
	if err != nil {
		return err
	}
	defer store.Close()
	for _, full := range []string{subject, subject + ".service"} {
		if ended, err := store.EndExemption(cmd.Context(), full, invariant); err != nil || ended {
			return err
		}
	}
	if invariant == "" {
		return fmt.Errorf("%q is not held by a command; to end a hold of config.yaml, remove it there", subject)
	}
	return fmt.Errorf("%s is not waived for %q by a command; to end a waiver of settings.yaml, remove it there", invariant, subject)
}

// openMemory opens the history, in which exemptions are kept.
func openMemory(ctx context.Context, now time.Time) (*history.Store, error) {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return nil, err
	}
	return history.Open(ctx, env.StateHome, now)
}
