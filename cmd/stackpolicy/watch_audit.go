package main

import (
	"context"
	"io"
	"sync"
	"time"

	"stackpolicy/audit"
	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/systemd"
	"stackpolicy/notify"
	"stackpolicy/watch"
)

// alertsUnit sends what was left to it.
const alertsUnit = "stackpolicy-alerts.service"

// watchRunner is what the command watch does for the package of that name.
type watchRunner struct {
	*app
	ctx   context.Context
	errs  io.Writer
	every time.Duration
	asked *bool                  // value of --enforce; nil without it
	show  func(watch.Line) error // nil: nothing is shown
	shows bool                   // beside another watch: it only shows

	onTerminal bool        // what is shown
	end        func(error) // ends the watch

	config config.Config // as last read
	routes []notify.Route
	health watch.Health

	pulling sync.Mutex // while a release is fetched
}

// load reads the configuration, the alert sinks and the policies.
func (r *watchRunner) load(ctx context.Context) (watch.Setup, error) {
	c, err := cli.ReadConfig()
	if err != nil {
		return watch.Setup{}, err
	}
	secrets := credentials()
	if r.queueAlerts {
		secrets = "" // another unit has them
	}
	if r.routes, err = routes(c, secrets); err != nil {
		return watch.Setup{}, err
	}
	r.config = c
	enforces, err := r.enforces(c, r.asked)
	if err != nil {
		return watch.Setup{}, err
	}
	env, err := cli.Environment(c)
	if err != nil {
		return watch.Setup{}, err
	}
	policies, err := cli.LoadInUse(ctx, r.policyDir, c, decide.NewLastingMemory())
	return watch.Setup{Environment: env, Policies: policies, Enforces: enforces}, err
}

// maxRuleFolders is how deep rules are looked for in a policy folder.
const maxRuleFolders = 6

func (r *watchRunner) files() []collect.Place {
	places := []collect.Place{{Path: config.Path(collect.ConfigHome())}}
	if dir := cli.PolicyDir(r.policyDir, r.config); dir != "" {
		places = append(places, collect.Place{Path: dir, Depth: maxRuleFolders})
	}
	if h, err := cli.Releases(r.config); err == nil && h != nil {
		places = append(places, collect.Place{Path: h.Link()}) // another release
	}
	return places
}

// audit acts on the document, records and alerts.
func (r *watchRunner) audit(ctx context.Context, s watch.Setup, doc *facts.Document) (audit.Result, error) {
	live, err := openLive(ctx, r.errs, s.Environment, s.Enforces)
	if err != nil {
		return audit.Result{}, err
	}
	defer closeLive(ctx, r.errs, live)
	run := live.Audit()
	run.Source = &collected{Live: live, doc: doc}
	run.Load = func(ctx context.Context) (*decide.Policies, error) {
		if live.History != nil {
			noteChangedPolicies(ctx, r.errs, live.History, s.Policies)
		}
		return s.Policies, nil
	}
	run.Announce = func(ctx context.Context, result audit.Result) { r.announce(ctx, s, live, result) }
	shadow := r.openShadow(r.config, s.Environment, r.errs)
	shadow.attach(&run)
	result, err := run.Run(ctx)
	if err != nil {
		return result, err
	}
	shadow.end(ctx, r.errs)
	if r.pulling.TryLock() { // its tests may take minutes, in which the watch goes on
		go func() {
			defer r.pulling.Unlock()
			shadow.next(ctx, r.isOffline(), r.errs)
		}()
	}
	return result, nil
}

func (r *watchRunner) announce(ctx context.Context, s watch.Setup, live *audit.Live, result audit.Result) {
	n := announcement{
		store: live.History, routes: r.routes, user: userName(), spool: r.spoolFor(s.Environment.RuntimeDir, r.errs), now: time.Now(), result: result, watch: &r.health,
	}
	n.send(ctx, string(r.config.Alerts.Textfile), r.errs)
	n.tellHub(ctx, s.Environment.StateHome, r.errs)
	if n.spool == "" || len(r.routes) == 0 && !isMember(s.Environment.StateHome) {
		return
	}
	if err := startAlerts(ctx, s.Environment); err != nil {
		r.say("alerts wait: " + err.Error())
	}
}

func startAlerts(ctx context.Context, env collect.Environment) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := systemd.DialUser(ctx, env.RuntimeDir, env.BusAddress)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Begin(ctx, alertsUnit)
}

// undecided records and alerts that there is no verdict.
func (r *watchRunner) undecided(ctx context.Context, why error) {
	if !r.shows {
		r.couldNotBegin(ctx, nil, why, r.errs)
	}
}

// shown shows a line. If nobody reads them any more, the watch ends.
func (r *watchRunner) shown(l watch.Line) {
	if r.show == nil {
		return
	}
	if err := r.show(l); err != nil {
		r.end(err)
	}
}

// collected is the running system, of which a document was just collected, with all sections.
type collected struct {
	*audit.Live
	doc   *facts.Document
	given bool
}

// Collect returns the document once, and then takes snapshots.
func (c *collected) Collect(ctx context.Context) (*facts.Document, error) {
	if !c.given {
		c.given = true
		return c.doc, nil
	}
	return c.Live.Collect(ctx)
}

func (c *collected) AddOptional(ctx context.Context, doc *facts.Document, reads func(string) bool) {
	if doc != c.doc {
		c.Live.AddOptional(ctx, doc, reads)
	}
}
