package watch

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
)

// loop is a watch that runs.
type loop struct {
	Watch
	pending *pending
	sources *sources
	folders int // that may be watched

	setup    Setup
	isSetUp  bool
	kept     *collect.Kept
	units    int // of the last look
	series   decide.Series
	last     verdict       // that was shown
	report   *audit.Report // of the last look; nil if something changed after it
	recorded string        // the findings of the last audit
	health   Health
	clock    time.Time // when the clock alone changes the verdict, or it is to be looked at again
	full     time.Time // when the next full audit is due
	ticked   time.Time
	retry    time.Time     // when what was not healed is tried again; zero: all is
	pause    time.Duration // before it is tried again
	failing  time.Duration // the pause before everything is collected again; 0: no collector failed

	lock       sync.Mutex      // of the rest
	files      *files          // nil: lost
	configured []collect.Place // of the configuration and the rules
	env        collect.Environment
	doc        *facts.Document // nil before the first one
}

// Bounds on the time of one step, after which it hangs: collectors have limits of their own.
const (
	collecting = 3 * time.Minute
	acting     = 20 * time.Minute
)

// lookGCPercent lets the heap grow during a look at more than manyUnits, which would be collected
// twice before the verdict otherwise. With few it would only cost memory.
const (
	lookGCPercent = 300
	manyUnits     = 200
)

// run decides until ctx ends.
func (l *loop) run(ctx context.Context) {
	l.kept, l.full = &collect.Kept{}, time.Now().Add(l.Interval)
	defer func() { l.kept.Close() }()
	change := taken{Change: collect.Change{Whole: true}, again: true}
	for ctx.Err() == nil {
		l.step(ctx, change)
		change = l.wait(ctx)
	}
}

// step makes a verdict after a change, and lets an audit act if it is another one.
func (l *loop) step(ctx context.Context, change taken) {
	if change.again || !l.isSetUp {
		if !l.load(ctx, change.asked) {
			return
		}
		change.Whole = true
	}
	if change.structure {
		l.rewatch()
	}
	if now := time.Now(); l.full.Before(now) && l.health.Ready {
		l.fullAudit(ctx, change)
		return
	}
	if change.isTick && l.report != nil {
		l.clock = l.nextChange(ctx, l.report, change.Change)
		return
	}
	l.report = nil
	doc, report, err := l.look(ctx, change.Change, time.Now())
	if err != nil {
		l.undecided(ctx, err)
		return
	}
	l.show(report)
	doc, report = l.audit(ctx, doc, report)
	l.remember(doc)
	l.report = report
	l.clock = l.nextChange(ctx, report, collect.Change{})
	debug.FreeOSMemory() // until something changes, which may be in days
	if l.failing = recollect(l.failing, l.kept.Failed()); l.failing > 0 {
		l.clock = earlier(l.clock, time.Now().Add(l.failing))
	}
}

// recollect returns the pause before everything is collected again after a collector failed,
// perhaps for a moment only: twice the last one, from a second to a tick.
func recollect(last time.Duration, failed bool) time.Duration {
	if !failed {
		return 0
	}
	return min(max(2*last, time.Second), tick)
}

// load reads the configuration and the rules, for somebody who asked for it or because they
// changed.
func (l *loop) load(ctx context.Context, asked bool) bool {
	l.beat(func(h *Health) { h.Loading, h.Busy = h.Ready && asked, time.Now().Add(collecting) })
	setup, err := l.Load(ctx)
	places := l.Files()
	l.lock.Lock()
	l.configured = places
	l.lock.Unlock()
	if l.isSetUp = err == nil; err != nil {
		l.rewatch() // where it is mended may be a new place
		l.undecided(ctx, err)
		return false
	}
	l.setup, l.series = setup, decide.Series{}
	l.beat(func(h *Health) { h.Loading = false })
	return true
}

// undecided makes the verdict unknown.
func (l *loop) undecided(ctx context.Context, why error) {
	if ctx.Err() != nil {
		return
	}
	message := strings.Join(strings.Fields(why.Error()), " ")
	f := finding.Finding{
		Invariant: finding.AuditComplete, Subject: finding.Host, Effect: finding.Block, Severity: finding.Unknown, Message: message,
	}
	v := verdict{exit: finding.LevelUnknown.ExitCode(), found: map[about]finding.Finding{{f.Subject, f.Invariant}: f}, text: message, none: true}
	isNew := l.last.text != v.text
	l.showVerdict(v)
	if isNew && l.Audit != nil {
		l.Undecided(ctx, why)
	}
	l.recorded, l.report, l.clock = "", nil, time.Now().Add(poll)
}

// look collects what changed and decides, as if it was a given time.
func (l *loop) look(ctx context.Context, change collect.Change, at time.Time) (*facts.Document, *audit.Report, error) {
	if l.units > manyUnits {
		defer debug.SetGCPercent(debug.SetGCPercent(lookGCPercent)) // what it needs is free again after it
	}
	l.beat(func(h *Health) { h.Busy = time.Now().Add(collecting) })
	env := l.setup.Environment
	if ahead := time.Until(at); ahead > 0 {
		env.Now = func() time.Time { return time.Now().Add(ahead) }
	}
	memory, done := l.Recall(ctx, env)
	defer done()
	env.Memory = memory
	doc := l.kept.Collect(ctx, env, change)
	l.units = len(doc.Units)
	collect.AddOptional(ctx, env, doc, l.setup.Policies.Reads)
	report, err := l.decide(ctx, doc)
	return doc, report, err
}

// decide decides a document, and acts on nothing.
func (l *loop) decide(ctx context.Context, doc *facts.Document) (*audit.Report, error) {
	result, err := audit.Audit{
		Source: audit.Recorded(func() (*facts.Document, error) { return doc, nil }),
		Load:   func(context.Context) (*decide.Policies, error) { return l.setup.Policies, nil },
		Decide: func(ctx context.Context, p *decide.Policies, doc *facts.Document) (decide.Result, error) {
			return p.DecidePrepared(ctx, l.series.Prepare(doc))
		},
	}.Run(ctx)
	return result.Report, err
}

func (l *loop) show(report *audit.Report) { l.showVerdict(verdictOf(report)) }

func (l *loop) showVerdict(v verdict) {
	now := time.Now().UTC()
	if !l.health.Ready {
		l.Show(Line{Time: now, Ready: true, ExitCode: &v.exit})
	} else {
		v.unsure(l.last)
		for _, line := range changes(l.last, v, now) {
			l.Show(line)
		}
	}
	l.last = v
	l.beat(func(h *Health) { h.Ready, h.Loading, h.ExitCode = true, false, v.exit })
}

// most is how many audits follow one another at once: each may find what it did itself.
const most = 3

// audit lets an audit act, record and alert if the verdict is not the recorded one, or if what
// was not healed is tried again. What it did and recorded is looked at again: it returns the last
// look.
func (l *loop) audit(ctx context.Context, doc *facts.Document, report *audit.Report) (*facts.Document, *audit.Report) {
	for range most {
		isDue := !l.retry.IsZero() && l.retry.Before(time.Now())
		if l.Audit == nil || verdictOf(report).text == l.recorded && !isDue || ctx.Err() != nil {
			break
		}
		acted, ok := l.auditOnce(ctx, doc, report)
		if !ok {
			break
		}
		before := verdictOf(report)
		nowDoc, nowReport, err := l.look(ctx, collect.Change{Whole: acted}, time.Now())
		if err != nil {
			l.undecided(ctx, err)
			break
		}
		doc, report = nowDoc, nowReport
		l.show(report)
		if now := verdictOf(report); len(changes(before, now, time.Now())) == 0 {
			l.recorded = now.text // the history is a fact too: since when something is found
		}
	}
	return doc, report
}

// auditOnce reports whether the audit acted, and whether there was one.
func (l *loop) auditOnce(ctx context.Context, doc *facts.Document, report *audit.Report) (acted, ok bool) {
	l.beat(func(h *Health) { h.Busy = time.Now().Add(acting) })
	result, err := l.Audit(ctx, l.setup, doc)
	if err != nil {
		if ctx.Err() == nil {
			l.Say(err.Error())
		}
		l.later()
		return false, false
	}
	l.recorded = verdictOf(report).text
	isLeft := slices.ContainsFunc(result.Report.Decisions, func(f finding.Finding) bool {
		return f.Effect == finding.Heal && f.Waiver == nil && f.Outcome != finding.Healed
	})
	if l.retry = (time.Time{}); isLeft && l.setup.Enforces {
		l.later()
	} else {
		l.pause = 0
	}
	return len(result.Report.Actions) > 0 && result.Report.Mode == "enforce", true
}

// later tries again what failed, each time after a longer pause.
func (l *loop) later() {
	l.pause = min(max(2*l.pause, poll), l.Interval)
	l.retry = time.Now().Add(l.pause)
}

// remember notes what the files of the document are, and watches them.
func (l *loop) remember(doc *facts.Document) {
	l.lock.Lock()
	l.env, l.doc = l.setup.Environment, doc
	l.lock.Unlock()
	l.rewatch()
}

// wait waits for the next change, and for it to settle.
func (l *loop) wait(ctx context.Context) taken {
	now := time.Now()
	at := earlier(l.clock, l.full)
	if !l.retry.IsZero() {
		at = earlier(at, l.retry)
	}
	lost := l.sources.missing()
	if len(lost) > 0 {
		at = earlier(at, now.Add(poll))
	}
	at = later(at, now.Add(10*time.Millisecond))
	l.beat(func(h *Health) { h.Lost, h.Busy = lost, at.Add(time.Minute) })
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-l.pending.wake:
		l.pending.settle(ctx, quiet, latest)
	case <-timer.C:
	}
	woke := time.Now()
	isDue := len(lost) > 0 || l.kept.Failed() || l.full.Before(woke) || !l.retry.IsZero() && l.retry.Before(woke)
	t := l.pending.take()
	wasSuspended := woke.Round(0).Sub(now.Round(0))-woke.Sub(now) > poll // the wall clock went on, the other did not
	t.Whole = t.Whole || len(lost) > 0 || wasSuspended
	t.again = t.again || slices.Contains(lost, FilesSource) // nothing says when the configuration changes
	if woke.Sub(l.ticked) >= tick {
		t.isTick = t.isEmpty() && !isDue
		l.ticked, t.Declared, t.Probes = woke, true, true
	}
	return t
}

func (l *loop) beat(note func(*Health)) {
	note(&l.health)
	l.Beat(l.health)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rewatch watches the places of the last document. What happened in a new folder meanwhile was
// not seen.
func (l *loop) rewatch() {
	for range most {
		added := l.watchFiles()
		if len(added) == 0 {
			return
		}
		isConfiguration := slices.ContainsFunc(added, l.hasConfiguration)
		l.pending.add(func(p *pending) { p.change.Whole, p.again = true, p.again || isConfiguration })
	}
}

// hasConfiguration reports whether a part of the configuration is in a folder, or is looked for
// there.
func (l *loop) hasConfiguration(folder string) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return isBelow(l.configured, folder) || slices.ContainsFunc(l.configured, func(p collect.Place) bool {
		return strings.HasPrefix(p.Path, strings.TrimSuffix(folder, "/")+"/")
	})
}
