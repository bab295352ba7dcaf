package archive

import (
	"context"
	"slices"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
	"stackpolicy/history"
)

// Bounds of what is shown of a source, and the width of one mark in its strip.
const (
	maxFindings = 200
	maxSpans    = 20_000
	stretch     = 6 * time.Hour
)

func viewOf(ctx context.Context, store *history.Store, now time.Time) (v view, err error) {
	open, err := store.Occurrences(ctx, now.AddDate(100, 0, 0), maxFindings)
	if err != nil {
		return v, err
	}
	for _, o := range open {
		if o.ResolvedAt == nil {
			v.Findings = append(v.Findings, overview.Finding{Finding: o.Finding, Since: o.Since})
		}
	}
	spans, err := store.Audits(ctx, now.Add(-overview.Length), maxSpans)
	if err != nil || len(spans) == 0 {
		return v, err
	}
	v.AsOf = spans[0].To
	if len(v.Findings) > 0 {
		// A document that cannot be read makes no finding less: the steps are then those with Home Manager.
		doc, _ := store.Document(ctx, spans[0].DocumentDigest, spans[0].To)
		if doc != nil && doc.Declared != nil {
			v.NoHomeManager, v.NixOS = doc.Declared.Source == "", doc.Declared.Activation.Service != nil
		}
	}
	slices.Reverse(spans)
	v.Days = daysOf(spans, now)
	return v, nil
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
