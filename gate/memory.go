package gate

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
	"stackpolicy/internal/times"
)

// Recording is what audits remembered; [replay.Of] is one.
type Recording interface {
	Audits(ctx context.Context, since time.Time, limit int) ([]history.AuditSpan, error)
	Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error)
}

// maxAudits bounds what is read: a day of audits once a minute.
const maxAudits = 2000

// Remembered returns the facts of the last audit before the change that led to now: the last
// one of another Home Manager generation. Where audits of the last 24 hours saw no other
// generation, it is the last one before packages, or the system of NixOS, were changed. A time
// that is not zero says when the change was instead. Audits while an activation ran or was
// half done are not taken. While an activation runs or is half done, the present generation is
// still the one before.
func Remembered(ctx context.Context, from Recording, now *facts.Document, at time.Time) (*facts.Document, error) {
	const hint = "begin before the change (stackpolicy gate begin), or say when it was (--changed 10m)"
	since := now.CollectedAt.Add(-MaxAge)
	if now.Host != nil && now.Host.BootedAt != nil && now.Host.BootedAt.After(since) {
		since = *now.Host.BootedAt
	}
	spans, err := from.Audits(ctx, since, maxAudits)
	if err != nil {
		return nil, err
	}
	var found *facts.Document
	if at.IsZero() {
		if !isHalf(now) && isComing(now) { // perhaps soon, or never
			return nil, &UnusableError{"no gate was begun, and the generation of the running system is not activated yet", hint}
		}
		ofBefore := func(doc *facts.Document) bool {
			return generation(doc) != "" && (generation(doc) == generation(now)) == isHalf(now)
		}
		if found, err = last(ctx, from, spans, since, now.CollectedAt, ofBefore); err != nil {
			return nil, err
		}
		if found == nil && now.Host != nil && now.Host.PackagesAt != nil {
			at = *now.Host.PackagesAt
		}
	}
	if found == nil && !at.IsZero() {
		found, err = last(ctx, from, spans, since, at, func(*facts.Document) bool { return true })
	}
	switch {
	case err != nil || found != nil:
		return found, err
	case len(spans) == 0:
		return nil, &UnusableError{fmt.Sprintf("no gate was begun, and no audit is remembered since %s", since.UTC().Format(time.RFC3339)), hint}
	}
	return nil, &UnusableError{fmt.Sprintf("no gate was begun, and no audit since %s is known to be from before the change", since.UTC().Format(time.RFC3339)), hint}
}

// last returns the facts of the last audit between two times that is right, nil without one.
func last(ctx context.Context, from Recording, spans []history.AuditSpan, since, until time.Time, isRight func(*facts.Document) bool) (*facts.Document, error) {
	for _, span := range spans { // the newest first
		at := span.To
		if !at.Before(until) { // all audits of a span saw the same
			at = times.Later(span.From, since)
		}
		if !at.Before(until) || span.DocumentDigest == "" {
			continue
		}
		doc, err := from.Document(ctx, span.DocumentDigest, at)
		if err != nil {
			return nil, err
		}
		if !isHalf(doc) && isRight(doc) {
			return doc, nil
		}
	}
	return nil, nil
}

func generation(doc *facts.Document) string {
	if doc.Declared == nil {
		return ""
	}
	return doc.Declared.Generation
}

// isComing reports whether the generation of the running system is not activated yet.
func isComing(doc *facts.Document) bool {
	service := doc.Declared.Activation.Service
	return service != nil && service.Generation != "" && !service.IsCurrent
}

// isHalf reports whether the facts are from the middle of an activation.
func isHalf(doc *facts.Document) bool {
	d := doc.Declared
	return d == nil || len(d.Activation.Ahead) > 0 || d.Activation.State == "running" || d.Activation.State == "half-finished"
}
