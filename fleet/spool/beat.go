package spool

import (
	"cmp"
	"context"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

const (
	// pause is how long a source that has nothing new is silent.
	pause = 15 * time.Minute
	// maxOpen bounds the findings that are counted.
	maxOpen = 10_000
)

// BeatOf returns how a host is, from its memory.
func BeatOf(ctx context.Context, store *history.Store, now time.Time) (fleet.Beat, error) {
	last, err := store.LastAudit(ctx)
	if err != nil || last == nil {
		return fleet.Beat{Every: 2 * pause}, err
	}
	open, err := store.Occurrences(ctx, now.AddDate(100, 0, 0), maxOpen)
	if err != nil {
		return fleet.Beat{}, err
	}
	b := fleet.Beat{
		Audited: last.To, Every: pause + interval(*last), ExitCode: last.ExitCode,
		Mode: last.Mode, Policy: last.PolicyDigest,
	}
	for _, o := range open {
		if o.ResolvedAt == nil {
			count(&b, o)
		}
	}
	return b, nil
}

// interval is how far audits are apart, as far as the last ones tell.
func interval(s history.AuditSpan) time.Duration {
	if s.Count < 2 {
		return pause
	}
	return s.To.Sub(s.From) / time.Duration(s.Count-1)
}

func count(b *fleet.Beat, o history.Occurrence) {
	if o.Waiver != nil {
		b.Open.Waived++
		return
	}
	switch o.Urgency() {
	case finding.Page:
		b.Open.Page++
	case finding.Ticket:
		b.Open.Ticket++
	default:
		b.Open.Unknown++
	}
	if worse(o, b.Worst) {
		b.Worst = &fleet.Worst{
			Invariant: o.Invariant, Subject: o.Subject, Severity: string(o.Urgency()), Message: text.Clip(o.Message, maxMessage), Since: o.Since,
		}
	}
}

func worse(o history.Occurrence, than *fleet.Worst) bool {
	if than == nil {
		return true
	}
	by := cmp.Or(
		cmp.Compare(o.Urgency().Level(), finding.Severity(than.Severity).Level()),
		than.Since.Compare(o.Since), // the older one
		cmp.Compare(than.Invariant+than.Subject, o.Invariant+o.Subject),
	)
	return by > 0
}

// maxMessage bounds what a beat says of the worst finding, in runes; the whole is in its row.
const maxMessage = 300
