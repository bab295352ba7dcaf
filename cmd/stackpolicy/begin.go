package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/text"
	"stackpolicy/notify"
)

// maxReason bounds the recorded reason why an audit could not begin, in characters.
const maxReason = 500

// couldNotBegin records that an audit of all units could not begin, and writes it to
// the journal: otherwise status would still show the previous audit. It ignores an
// audit that could not take the lock, that a person interrupted, or that has no home.
func (a *app) couldNotBegin(ctx context.Context, units []string, why error, errs io.Writer) {
	held := (*lock.HeldError)(nil)
	if errors.Is(why, collect.ErrNoHome) || a.factsFile != "" || len(units) > 0 || errors.As(why, &held) || ctx.Err() != nil {
		return
	}
	reason := text.Clip("the audit could not begin: "+strings.Join(strings.Fields(why.Error()), " "), maxReason)
	if err := errors.Join(recordFailure(ctx, reason, a.queueAlerts), notify.CouldNotBegin(reason)); err != nil {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	}
}

// recordFailure records it, and tells the hub unless another unit does.
func recordFailure(ctx context.Context, reason string, queue bool) error {
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return err
	}
	store, err := history.Open(ctx, env.StateHome, time.Now())
	if err != nil {
		return err
	}
	err = store.RecordFailure(ctx, time.Now(), reason)
	if err == nil && !queue {
		err = sendEvidence(ctx, env.StateHome, store)
	}
	return errors.Join(err, store.Close())
}
