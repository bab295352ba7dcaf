package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/remembered"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// audit runs one audit; asked is the value of --enforce, nil if it was not given. The
// alert sinks are read first, so that a mistake in them is an error before anything is
// done.
func (a *app) audit(cmd *cobra.Command, units []string, asked *bool) (audit.Result, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return audit.Result{}, err
	}
	secrets := credentials()
	if a.queueAlerts {
		secrets = "" // this audit sends nothing that needs one
	}
	routes, err := routes(c, secrets)
	if err != nil {
		return audit.Result{}, err
	}
	enforces, err := a.enforces(c, asked)
	if err != nil {
		return audit.Result{}, err
	}
	load := func(ctx context.Context) (*decide.Policies, error) { return a.loadPolicies(ctx, c) }
	if a.factsFile != "" {
		recorded := audit.Recorded(func() (*facts.Document, error) { return a.recorded(cmd) })
		return audit.Audit{Source: recorded, Load: load, Units: units, MaxAge: time.Duration(a.maxAge)}.Run(cmd.Context())
	}
	env, err := cli.Environment(c)
	if err != nil {
		return audit.Result{}, err
	}
	live, err := openLive(cmd.Context(), cmd.ErrOrStderr(), env, enforces)
	if err != nil {
		return audit.Result{}, err
	}
	defer closeLive(cmd.Context(), cmd.ErrOrStderr(), live)
	run := live.Audit()
	run.Units = units
	if len(units) == 0 {
		a.shadow = a.openShadow(c, env, cmd.ErrOrStderr())
		a.shadow.attach(&run)
	}
	run.Load = func(ctx context.Context) (*decide.Policies, error) {
		if live.History == nil { // there is no state folder
			return load(ctx)
		}
		p, err := cli.LoadInUse(ctx, a.policyDir, c, remembered.Open(env.StateHome, time.Now()))
		if err == nil {
			noteChangedPolicies(ctx, cmd.ErrOrStderr(), live.History, p)
		}
		return p, err
	}
	run.Announce = func(ctx context.Context, result audit.Result) {
		errs := cmd.ErrOrStderr()
		n := announcement{
			store: live.History, routes: routes, user: userName(), spool: a.spoolFor(env.RuntimeDir, errs), now: time.Now(), result: result,
		}
		n.send(ctx, string(c.Alerts.Textfile), errs)
		n.tellHub(ctx, env.StateHome, errs)
	}
	return run.Run(cmd.Context())
}

// noteChangedPolicies says what differs between the policies and those that decided in the
// last audit: after an upgrade of the program, too, nobody else tells.
func noteChangedPolicies(ctx context.Context, errs io.Writer, store *history.Store, p *decide.Policies) {
	spans, err := store.Audits(ctx, time.Time{}, maxNotBegun)
	i := slices.IndexFunc(spans, history.AuditSpan.Began) // no policies decide in one that did not
	if err != nil || i < 0 || spans[i].PolicyDigest == p.Digest() {
		return
	}
	last := spans[i]
	was := "which are not kept"
	if files, err := store.Rules(ctx, last.PolicyDigest); err == nil {
		var before []policy.File
		if json.Unmarshal(files, &before) == nil {
			was = text.Clip(strings.Join(policy.Changes(before, p.Source().Files), ", "), shownChanges)
		}
	}
	fmt.Fprintf(errs, "stackpolicy: other policies decide than in the audit of %s (%s); what they would have changed in recorded audits: stackpolicy impact\n",
		last.To.UTC().Format("2006-01-02 15:04 UTC"), text.Clean(was))
}

// maxNotBegun bounds behind how many series of audits that could not begin one that did is
// looked for.
const maxNotBegun = 100

// shownChanges bounds how much is named, in bytes.
const shownChanges = 200

// enforces returns the value of the flag or, without it, of the configuration.
func (a *app) enforces(c config.Config, asked *bool) (bool, error) {
	switch {
	case asked == nil:
		return c.Mode == config.Enforce && a.factsFile == "", nil
	case *asked && a.factsFile != "":
		return false, errors.New("--enforce acts on the live system, but --facts reads a recorded one; leave one of them out")
	}
	return *asked, nil
}

// recorded reads --facts. A large document takes most of the memory, so the garbage
// collector must run more often.
func (a *app) recorded(cmd *cobra.Command) (*facts.Document, error) {
	doc, err := a.document(cmd.InOrStdin())
	if doc != nil && len(doc.Units) > large {
		debug.SetGCPercent(gcPercentLarge)
	}
	return doc, err
}

func openLive(ctx context.Context, errs io.Writer, env collect.Environment, enforces bool) (*audit.Live, error) {
	live, err := audit.OpenLive(ctx, env, enforces)
	if err != nil {
		return nil, err
	}
	if live.Notice != "" {
		fmt.Fprintf(errs, "stackpolicy: %s; nothing is healed in this audit\n", text.CleanBlock(live.Notice))
	}
	return live, nil
}

func closeLive(ctx context.Context, errs io.Writer, live *audit.Live) {
	if err := live.Close(ctx); err != nil {
		fmt.Fprintf(errs, "stackpolicy: the memory of audits: %s\n", text.CleanBlock(err.Error()))
	}
}
