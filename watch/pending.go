package watch

import (
	"context"
	"sync"
	"time"

	"stackpolicy/facts/collect"
)

// maxPending bounds what is noted of a storm: above it, anything may have changed.
const maxPending = 5000

// pending is what changed since the last verdict. Several goroutines may use it.
type pending struct {
	wake chan struct{} // has one element after a change

	lock        sync.Mutex
	change      collect.Change
	structure   bool // folders are to be watched again
	again       bool // the configuration and the rules are to be read again
	asked       bool // by somebody who waits until it is done
	first, last time.Time
}

func newPending() *pending { return &pending{wake: make(chan struct{}, 1)} }

// add notes a change.
func (p *pending) add(note func(*pending)) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.change.Units == nil {
		p.change.Units, p.change.Paths = map[string]bool{}, map[string]bool{}
	}
	note(p)
	if len(p.change.Units)+len(p.change.Paths) > maxPending {
		p.change.Whole, p.structure = true, true
		clear(p.change.Units)
		clear(p.change.Paths)
	}
	p.last = time.Now()
	if p.first.IsZero() {
		p.first = p.last
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pending) whole() { p.add(func(p *pending) { p.change.Whole = true }) }

// has reports whether something changed that was not taken.
func (p *pending) has() bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	return !p.first.IsZero()
}

// settle waits until nothing has changed for quiet, at most limit after the first change.
func (p *pending) settle(ctx context.Context, quiet, limit time.Duration) {
	for {
		p.lock.Lock()
		wait := time.Until(earlier(p.last.Add(quiet), p.first.Add(limit)))
		isNothing := p.first.IsZero()
		p.lock.Unlock()
		if wait <= 0 || isNothing || !sleep(ctx, wait) {
			return
		}
	}
}

// taken is what changed.
type taken struct {
	collect.Change
	structure, again bool
	asked            bool // for again
	isTick           bool // nothing changed that says so
}

func (t taken) isEmpty() bool {
	return !t.again && !t.structure && !t.Whole && !t.Containers && !t.Images && len(t.Units)+len(t.Paths) == 0
}

func (p *pending) take() taken {
	p.lock.Lock()
	defer p.lock.Unlock()
	t := taken{Change: p.change, structure: p.structure, again: p.again, asked: p.asked}
	p.change, p.structure, p.again, p.asked, p.first, p.last = collect.Change{}, false, false, false, time.Time{}, time.Time{}
	select {
	case <-p.wake:
	default:
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// sleep reports whether the time passed before the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
