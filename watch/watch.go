// Package watch decides all the time: when a file, the manager, podman or the clock changes
// something, it collects what changed, decides, and lets an audit act, record and alert where
// the verdict is another one.
//
// Start at [Watch.Run]. pending.go has what changed, sources.go and files.go where that comes
// from, loop.go what follows from it, full.go the audits of everything, clock.go when time alone
// changes a verdict.
package watch

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
)

// How long changes settle: a verdict is made when nothing has changed for quiet, but not later
// than latest after the first change. poll is how often everything is collected while a source
// is lost, and tick how often what announces no change is asked for.
const (
	quiet  = 100 * time.Millisecond
	latest = time.Second
	poll   = 10 * time.Second
	tick   = time.Minute
)

// Setup is the configuration and the rules as they were read.
type Setup struct {
	Environment collect.Environment // without a memory
	Policies    *decide.Policies
	Enforces    bool
}

// Watch watches one account. Its fields do not change while it runs, and are not nil but where
// they say so.
type Watch struct {
	// Load reads the configuration and the rules, and Files says where they are. Run calls
	// both from one goroutine.
	Load  func(context.Context) (Setup, error)
	Files func() []collect.Place
	// Recall opens the memory of audits.
	Recall func(context.Context, collect.Environment) (memory collect.Rememberer, done func())
	// Audit acts, records and alerts on a document that was just collected; nil only shows.
	Audit func(context.Context, Setup, *facts.Document) (audit.Result, error)
	// Undecided is told why there is no verdict: the configuration or the rules cannot be read.
	Undecided func(context.Context, error)
	// Show gets each line.
	Show func(Line)
	// Say gets a sentence for the log.
	Say func(string)
	// Beat gets how it is, after each step. Busy is until when the next step may take.
	Beat func(Health)
	// Manager and Podman follow what changes there.
	Manager Follower[ManagerEvent]
	Podman  Follower[PodmanEvent]
	// Again is sent to when the configuration is to be read again.
	Again <-chan struct{}
	// Interval is the time between two full audits.
	Interval time.Duration
}

// Health is how a watch is.
type Health struct {
	Ready       bool
	Loading     bool // it was asked to read its configuration again, and does
	ExitCode    int  // of the last verdict
	Lost        []string
	Differences int       // of full audits to what was believed
	Busy        time.Time // until when it may be at work; if it is later, it hangs
}

// Run watches until ctx ends, and returns why it cannot watch at all.
func (w Watch) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	p := newPending()
	l := &loop{Watch: w, folders: maxFolders, pending: p, sources: &sources{pending: p, say: w.Say, lost: map[string]string{}}}
	l.configured = w.Files()
	follow := func(name string, follow func(context.Context, func()) error) {
		running.Go(func() { l.sources.follow(ctx, name, follow) })
	}
	follow(ManagerSource, func(ctx context.Context, ready func()) error { return w.Manager(ctx, ready, managerChanged(p)) })
	follow(PodmanSource, func(ctx context.Context, ready func()) error { return w.Podman(ctx, ready, podmanChanged(p)) })
	follow(FilesSource, func(ctx context.Context, ready func()) error { return l.followFiles(ctx, ready) })
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.Again:
				p.add(func(p *pending) { p.asked, p.again, p.structure, p.change.Whole = true, true, true, true })
			}
		}
	})
	l.run(ctx)
	return context.Cause(ctx)
}

// followFiles watches the places of the last document.
func (l *loop) followFiles(ctx context.Context, ready func()) error {
	f, err := newFiles(l.folders)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.fail = cancel
	defer f.notify.Close()
	l.use(f)
	defer l.use(nil)
	l.watchFiles()
	if ctx.Err() != nil { // a place cannot be watched
		return context.Cause(ctx)
	}
	ready()
	err = followFiles(ctx, f, l.pending, l.isConfiguration, l.isMemory)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (l *loop) isConfiguration(path string) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return isBelow(l.configured, path)
}

func (l *loop) isMemory(path string) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Contains(memoryFiles(l.env.StateHome), path)
}

func (l *loop) use(f *files) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.files = f
}

// watchFiles returns the folders that were not watched before.
func (l *loop) watchFiles() (added []string) {
	l.lock.Lock()
	f, env, doc, places := l.files, l.env, l.doc, slices.Clone(l.configured)
	l.lock.Unlock()
	if f == nil {
		return nil
	}
	store := "/nix/store"
	if doc != nil {
		places = append(places, collect.Places(env, doc)...)
		for _, path := range memoryFiles(env.StateHome) {
			places = append(places, collect.Place{Path: path})
		}
		if doc.Declared != nil && doc.Declared.FilesDir != "" {
			store = filepath.Dir(doc.Declared.FilesDir)
		}
	}
	added, err := f.watch(store, places)
	if err != nil {
		f.fail(err)
	}
	return added
}
