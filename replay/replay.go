// Package replay decides recorded audits again, and says where the result is another one.
//
// Start at [Run].
package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/history"
)

// maxSpans and maxFindings bound what is read: more than a year of audits has.
const (
	maxSpans    = 200_000
	maxFindings = 200_000
)

// Recording is what audits recorded: see [Of] and [OpenFolder].
type Recording interface {
	Audits(ctx context.Context, since time.Time, limit int) ([]history.AuditSpan, error)
	Occurrences(ctx context.Context, since time.Time, limit int) ([]history.Occurrence, error)
	Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error)
	Rules(ctx context.Context, digest string) ([]byte, error)
	Actions(ctx context.Context, since time.Time, limit int) ([]history.Action, error)
}

// Of returns the recording of a history. Use it from one goroutine.
func Of(store *history.Store) Recording { return &stored{store, store.Snapshots()} }

// stored reads the parts once that documents share with those before.
type stored struct {
	*history.Store
	snapshots *history.Snapshots
}

// Document is [history.Snapshots.Document].
func (s *stored) Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error) {
	return s.snapshots.Document(ctx, digest, at)
}

// Options say what to replay, and with which rules.
type Options struct {
	Since time.Time
	// Present are the rules to decide with; nil means those that decided then.
	Present *decide.Policies
	// Load loads rules that decided then, of files as [policy.Source] has them.
	Load func(ctx context.Context, digest string, files []policy.File) (*decide.Policies, error)
	// Apart says that no document follows from the one before: another action in one would
	// have changed nothing in the next.
	Apart bool
	// Strips says that [Impact.Strips] is asked for. It needs all that is allowed, too, which
	// takes longer.
	Strips bool
	// Progress, if not nil, is called before each of the spans.
	Progress func(done, of int)
}

// Result is what a replay found. Its JSON is stackpolicy.replay/v1.
type Result struct {
	Schema      string       `json:"schema"`
	Since       time.Time    `json:"since"`
	Until       time.Time    `json:"until"`     // the end of the last audit; zero without any
	Audits      int          `json:"audits"`    // all that were recorded since then
	Documents   int          `json:"documents"` // distinct ones
	Same        int          `json:"same"`      // audits that give the same bytes
	Differences []Difference `json:"differences"`
	Unknown     []Unknown    `json:"unknown"`
}

// Schema names the JSON of a [Result].
const Schema = "stackpolicy.replay/v1"

// Difference is a series of audits that would be decided otherwise.
type Difference struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Audits   int       `json:"audits"`
	Findings []Change  `json:"findings"` // empty if they differ only in their words
}

// Change is a finding that is only in one of both.
type Change struct {
	Change    string `json:"change"` // new: only in the replay; gone: only in the recording
	Invariant string `json:"invariant"`
	Subject   string `json:"subject"`
	Message   string `json:"message"`
}

// Unknown are audits that cannot be decided again, with the reason.
type Unknown struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Audits int       `json:"audits"`
	Reason string    `json:"reason"`
}

// Run decides the recorded audits again, oldest first. Audits with the same facts and result
// are one: they are decided at the first and at the last time. An error is about the
// recording as a whole.
func Run(ctx context.Context, from Recording, o Options) (Result, error) {
	r := Result{Schema: Schema, Since: o.Since.UTC(), Differences: []Difference{}, Unknown: []Unknown{}}
	spans, err := from.Audits(ctx, o.Since, maxSpans)
	if err != nil {
		return r, err
	}
	recorded, err := from.Occurrences(ctx, o.Since, maxFindings)
	if err != nil {
		return r, err
	}
	slices.Reverse(spans)
	p := &player{Options: o, from: from, recorded: recorded, loaded: map[string]*loaded{}}
	documents := map[string]bool{}
	for i, span := range spans {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if o.Progress != nil {
			o.Progress(i, len(spans))
		}
		r.Audits += span.Count
		r.Until = span.To
		if span.DocumentDigest != "" {
			documents[span.DocumentDigest] = true
		}
		r.add(span, p.play(ctx, span))
	}
	r.Documents = len(documents)
	return r, nil
}

// outcome is how one span was decided again.
type outcome struct {
	unknown string // why it could not be
	differs bool
	changes []Change
}

func (r *Result) add(span history.AuditSpan, o outcome) {
	switch {
	case o.unknown != "":
		r.Unknown = addUnknown(r.Unknown, span, o.unknown)
	case o.differs:
		r.Differences = append(r.Differences, Difference{span.From, span.To, span.Count, o.changes})
	default:
		r.Same += span.Count
	}
}

func addUnknown(all []Unknown, span history.AuditSpan, reason string) []Unknown {
	if last := len(all) - 1; last >= 0 && all[last].Reason == reason {
		all[last].To, all[last].Audits = span.To, all[last].Audits+span.Count
		return all
	}
	return append(all, Unknown{span.From, span.To, span.Count, reason})
}

// player decides spans.
type player struct {
	Options
	from     Recording
	recorded []history.Occurrence
	loaded   map[string]*loaded
	series   decide.Series
}

type loaded struct {
	policies *decide.Policies
	unknown  string // why there are none
	notKept  bool
}

func (p *player) play(ctx context.Context, span history.AuditSpan) outcome {
	switch {
	case span.DocumentDigest == "":
		return outcome{unknown: "their facts are not kept any more"}
	case span.VerdictDigest == "":
		return outcome{unknown: "an earlier version recorded them, without what was decided"}
	}
	rules := p.rules(ctx, span.PolicyDigest)
	if rules.unknown != "" {
		return outcome{unknown: rules.unknown}
	}
	times := []time.Time{span.From}
	if !span.To.Equal(span.From) {
		times = append(times, span.To)
	}
	for _, at := range times {
		doc, err := p.from.Document(ctx, span.DocumentDigest, at)
		if err != nil {
			return outcome{unknown: err.Error()}
		}
		result, err := rules.policies.Findings(ctx, p.series.Prepare(doc))
		if err != nil {
			return outcome{unknown: err.Error()}
		}
		if result.Digest() != span.VerdictDigest {
			return outcome{differs: true, changes: p.compare(at, result)}
		}
	}
	return outcome{}
}

// rules returns the policies to decide with.
func (p *player) rules(ctx context.Context, digest string) *loaded {
	if p.Present != nil {
		return &loaded{policies: p.Present}
	}
	if p.loaded[digest] == nil {
		l := &loaded{}
		var err error
		if l.policies, err = p.load(ctx, digest); err != nil {
			l.unknown, l.notKept = err.Error(), errors.Is(err, errNotKept)
		}
		p.loaded[digest] = l
	}
	return p.loaded[digest]
}

var errNotKept = errors.New("are not kept")

func (p *player) load(ctx context.Context, digest string) (*decide.Policies, error) {
	text, err := p.from.Rules(ctx, digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the rules %.19s %w", digest, errNotKept)
	}
	var files []policy.File
	if err == nil {
		err = json.Unmarshal(text, &files)
	}
	if err != nil {
		return nil, err
	}
	policies, err := p.Load(ctx, digest, files)
	if err != nil {
		return nil, fmt.Errorf("the rules %.19s cannot be loaded any more: %w", digest, err)
	}
	if policies.Digest() != digest {
		return nil, fmt.Errorf("the rules %.19s are not what was kept of them", digest)
	}
	return policies, nil
}

// compare names the findings that are only in the recording or only in the replay.
func (p *player) compare(at time.Time, result decide.Result) []Change {
	changes, found := []Change{}, map[string]bool{}
	for _, f := range result.Decisions {
		if f.IsAllowed() {
			continue
		}
		found[f.Identity()] = true
		if !slices.ContainsFunc(p.recorded, func(o history.Occurrence) bool { return wasOpen(o, at) && o.Identity() == f.Identity() }) {
			changes = append(changes, Change{"new", f.Invariant, f.Subject, f.Message})
		}
	}
	for _, o := range p.recorded {
		if wasOpen(o, at) && !found[o.Identity()] {
			changes = append(changes, Change{"gone", o.Invariant, o.Subject, o.Message})
		}
	}
	return changes
}

func wasOpen(o history.Occurrence, at time.Time) bool {
	return !o.Since.After(at) && (o.ResolvedAt == nil || o.ResolvedAt.After(at))
}
