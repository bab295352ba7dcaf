package archive

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// Bounds of what is shown of a source, and the width of one mark in its strip.
const (
	maxFindings = 200
	maxSpans    = 20_000
	stretch     = 6 * time.Hour

	maxEvidence = 32 << 10 // bytes of JSON; hosts keep half of that
	maxText     = 2_000    // runes; hosts keep half of that
)

func viewOf(ctx context.Context, store *history.Store, now time.Time) (v view, err error) {
	open, err := store.Occurrences(ctx, now.AddDate(100, 0, 0), maxFindings)
	if err != nil {
		return v, err
	}
	for _, o := range open {
		if o.ResolvedAt == nil {
			v.Findings = append(v.Findings, overview.Finding{Finding: clipped(o.Finding), Since: o.Since})
		}
	}
	spans, err := store.Audits(ctx, now.Add(-overview.Length), maxSpans)
	if err != nil || len(spans) == 0 {
		return v, err
	}
	v.AsOf = spans[0].To
	if len(v.Findings) > 0 {
		// A document that cannot be read makes no finding less: the steps are then those with Home Manager.
		doc, _ := store.DocumentHead(ctx, spans[0].DocumentDigest)
		if doc != nil && doc.Declared != nil {
			v.NoHomeManager, v.NixOS = doc.Declared.Source == "", doc.Declared.Activation.Service != nil
		}
	}
	slices.Reverse(spans)
	v.Days = daysOf(spans, now)
	return v, nil
}

// clipped returns a finding with no more text than rules can write: what a host signs may have
// more, and is on the page of all hosts.
func clipped(f finding.Finding) finding.Finding {
	for _, s := range []*string{&f.Invariant, &f.Subject, &f.Message, &f.Runbook} {
		*s = text.Clip(*s, maxText)
	}
	if evidence, err := json.Marshal(f.Evidence); err != nil || len(evidence) > maxEvidence {
		f.Evidence = map[string]any{"case": text.Clip(f.Case(), maxText)}
	}
	if f.Waiver != nil {
		w := *f.Waiver
		w.Reason, w.Owner, f.Waiver = text.Clip(w.Reason, maxText), text.Clip(w.Owner, maxText), &w
	}
	return f
}

// daysOf returns the worst that audits saw in each stretch of time. Where none looked there is
// no stretch.
func daysOf(spans []history.AuditSpan, now time.Time) (days []overview.Day) {
	for from := now.Add(-overview.Length).Truncate(stretch); !from.After(now); from = from.Add(stretch) {
		day, seen := overview.Day{From: from, To: from.Add(stretch)}, false
		for _, s := range spans {
			if s.From.Before(day.To) && !s.To.Before(day.From) {
				day.Worst, seen = finding.Worst(day.Worst, finding.LevelOfExit(s.ExitCode)), true
			}
		}
		if seen {
			days = append(days, day)
		}
	}
	return days
}
