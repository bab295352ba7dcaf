// Package alarm tells people and their tools what only the hub of a fleet can see: a source that
// is not heard from, a fork, evidence that is lost, a release that is halted. What does not hold
// on a host is told by the host.
//
// The hub keeps what it told in a memory of its own, as a host does: each look at the fleet is an
// audit there, and what is wrong are its findings. So an alert is sent once, again while it is
// wrong, and when it ended, by the sinks that hosts have.
//
// Start at [Alarm.Run].
package alarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"stackpolicy/alerts"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
	"stackpolicy/history"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/strictyaml"
	"stackpolicy/notify"
)

// maxConfig bounds the configuration, and maxOccurrences what is read of the memory.
const (
	maxConfig      = 1 << 20
	maxOccurrences = 10_000
)

// Path returns the configuration in a hub's folder: alerts.yaml, with the keys that the section
// alerts of a host's config.yaml has.
func Path(data string) string { return filepath.Join(data, "alerts.yaml") }

// memory returns the folder of what was told.
func memory(data string) string { return filepath.Join(data, "alarm") }

// Alarm tells what is wrong. Make one with [Open].
type Alarm struct {
	store    *history.Store
	routes   []notify.Route
	textfile string
	host     string
}

// Open opens the memory and the sinks of a hub whose name is host. If it has no configuration,
// nobody is to be told, and the error is fs.ErrNotExist. The caller closes the alarm.
func Open(ctx context.Context, data, host string, env notify.Environment) (*Alarm, error) {
	path := Path(data)
	content, err := regularfile.Read(path, maxConfig)
	if err != nil {
		return nil, err
	}
	var c notify.Config
	if _, err := strictyaml.Decode(content, &c); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if err := errors.Join(c.Check()...); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	routes, err := c.Routes(env)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	store, err := history.Open(ctx, memory(data), env.Clock())
	if err != nil {
		return nil, err
	}
	return &Alarm{store: store, routes: routes, textfile: string(c.Textfile), host: host}, nil
}

// Close closes the memory.
func (a *Alarm) Close() error { return a.store.Close() }

// Run tells what changed in the fleet since the last run, and writes the textfile with the metrics
// that metrics writes. It returns what could not be sent; that is sent by a later run.
func (a *Alarm) Run(ctx context.Context, f overview.Fleet, metrics func(io.Writer) error) []alerts.Notice {
	var notices []alerts.Notice
	if a.textfile != "" {
		if err := notify.WriteTextfile(a.textfile, metrics); err != nil {
			notices = append(notices, alerts.Notice{Sink: "textfile", Text: err.Error()})
		}
	}
	found := Findings(f)
	o := alerts.Options{Routes: a.routes, Steps: steps, Host: a.host, Now: f.At, Outbox: a.store}
	_, err := a.store.Record(ctx, history.Audit{
		At: f.At, Mode: "observe", ExitCode: finding.WorstOf(found).ExitCode(), Findings: found, Document: &facts.Document{Schema: facts.Schema, Declared: &facts.Declared{}}, // else a finding whose subject is not in it stays open
	})
	if err == nil {
		o.Occurrences, err = a.store.Occurrences(ctx, f.At.Add(-alerts.Memory), maxOccurrences)
	}
	if err != nil { // too often is better than never
		return append(append(notices, alerts.Notice{Text: err.Error()}), alerts.RunWithoutMemory(ctx, o, found)...)
	}
	return append(notices, alerts.Run(ctx, o)...)
}

// Tell is [Alarm.Run] with the configuration of now, for a hub that runs for long: one that has
// none tells nobody.
func Tell(ctx context.Context, data, host string, env notify.Environment, f overview.Fleet, metrics func(io.Writer) error) []alerts.Notice {
	a, err := Open(ctx, data, host, env)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []alerts.Notice{{Text: err.Error()}}
	}
	notices := a.Run(ctx, f, metrics)
	if err := a.Close(); err != nil {
		notices = append(notices, alerts.Notice{Text: err.Error()})
	}
	return notices
}

// Waiting counts the messages that could not be sent yet, by sink: a sink that failed is tried again
// later, so a run may be without a notice of it.
func Waiting(ctx context.Context, data string, now time.Time) (map[string]int, error) {
	store, err := history.OpenReadOnly(ctx, memory(data))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return alerts.Waiting(ctx, store, now, time.Time{})
}

// Pause is how long a hub waits between two looks.
const Pause = time.Minute

// A hub that was away for longer than away waits for settle: hosts that are well send again
// within that time, and until then all of them look silent.
const (
	away   = 10 * time.Minute
	settle = 30 * time.Minute
)

// IsSettled reports whether a hub that began to run at a time can judge now who is silent: it has
// run for long enough, or was not away for long before.
func IsSettled(ctx context.Context, data string, began, now time.Time) bool {
	if now.Sub(began) >= settle {
		return true
	}
	store, err := history.OpenReadOnly(ctx, memory(data))
	if err != nil {
		return false
	}
	defer store.Close()
	last, err := store.LastAudit(ctx)
	return err == nil && last != nil && began.Sub(last.To) < away
}
