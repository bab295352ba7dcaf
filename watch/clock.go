package watch

import (
	"context"
	"time"

	"stackpolicy/audit"
	"stackpolicy/facts/collect"
)

// nextChange returns when the verdict changes although nothing else does, because a grace
// period, a waiver or a hold ends; at most a tick from now. It assumes that a verdict which is
// the same a tick later was the same in between.
//
// What changed is collected with the first look.
func (l *loop) nextChange(ctx context.Context, report *audit.Report, change collect.Change) time.Time {
	now := time.Now()
	if l.pending.has() { // there will be another verdict at once
		return now
	}
	is := verdictOf(report)
	isSame := func(at time.Time) bool {
		_, then, err := l.look(ctx, change, at)
		change = collect.Change{}
		return err != nil || len(changes(is, verdictOf(then), at)) == 0
	}
	same, other := now, now.Add(tick)
	if isSame(other) {
		return other
	}
	for other.Sub(same) > time.Second && ctx.Err() == nil {
		if middle := same.Add(other.Sub(same) / 2); isSame(middle) {
			same = middle
		} else {
			other = middle
		}
	}
	return other
}
