package history

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

// Bounds of what is read to find out what began before a drift.
const (
	leastDrifts = 3
	mostDrifts  = 5
	mostQuiet   = 8  // audits without a drift
	mostSpans   = 40 // that are searched for them
	maxAfter    = 20 // names at one drift
	within      = time.Minute
	blur        = 50 * time.Millisecond // by which a file's ctime may be before the write
	aftermath   = 5 * time.Minute       // audits that a drift may have caused
)

// drifts adds, to each heal that was repeated, the times of the drifts and what began right
// before each. All of it is read from the documents on which the heals were based.
func (r remembered) drifts(tx sqlite.Tx, actions []Action) error {
	repeated := map[Reason][]Action{}
	for _, a := range actions {
		if a.Healed == nil || !*a.Healed {
			continue
		}
		for _, reason := range a.Reasons {
			repeated[reason] = append(repeated[reason], a)
		}
	}
	maps.DeleteFunc(repeated, func(_ Reason, list []Action) bool { return len(list) < leastDrifts })
	if len(repeated) == 0 {
		return nil
	}
	w := &witness{tx: tx, parts: map[int64]sight{}}
	for reason, list := range repeated {
		slices.Reverse(list) // newest first
		drifts, err := w.drifts(reason.Subject, list[:min(len(list), mostDrifts)])
		if err != nil {
			return err
		}
		r.about(reason.Subject, func(h *facts.History) {
			for i := range h.Heals {
				if n := &h.Heals[i]; n.Invariant == reason.Invariant && n.Case == reason.Case && n.Action == string(list[0].Action) {
					n.Drifts = drifts
				}
			}
		})
	}
	return nil
}

// packages is the name of a change of packages among what began.
const packages = "packages"

// witness reads what documents say about units, each part once.
type witness struct {
	tx    sqlite.Tx
	parts map[int64]sight
}

// sight is what one part of a document says: a unit, or everything but the units.
type sight struct {
	Name       string
	ManagedBy  string `json:"managed_by"`
	Loaded     *facts.Loaded
	Files      []facts.File
	Containers []facts.Container
	Declared   *struct{ Source string }
	Host       *facts.Host
}

// drifts returns the drifts that the actions on the subject healed. What also began right
// before an audit that no drift caused is left out, unless it was one audit of several.
func (w *witness) drifts(subject string, actions []Action) ([]facts.Drift, error) {
	drifts := make([]facts.Drift, len(actions))
	for i, a := range actions {
		doc, err := w.document("SELECT parts FROM documents WHERE digest = ?", a.Before)
		if err != nil {
			return nil, err
		}
		drifts[i] = facts.Drift{At: driftOf(doc, subject, a), After: []string{}}
		if i+1 < len(actions) && drifts[i].At != nil && !drifts[i].At.After(actions[i+1].At) {
			drifts[i].At = nil // the heal before came later, so this is not what it healed
		}
		if at := drifts[i].At; at != nil {
			drifts[i].After = beganBefore(doc, subject, *at)
		}
	}
	usual, err := w.usual(subject, drifts)
	if err != nil {
		return nil, err
	}
	for i := range drifts {
		drifts[i].After = slices.DeleteFunc(drifts[i].After, func(name string) bool { return usual == nil || usual[name] > 1 })
		drifts[i].After = drifts[i].After[:min(len(drifts[i].After), maxAfter)]
	}
	return drifts, nil
}

// usual counts, for audits that no drift caused, what began within the minute before each. It
// is nil if there are too few to say what is usual.
func (w *witness) usual(subject string, drifts []facts.Drift) (map[string]int, error) {
	type span struct {
		at    time.Time
		parts string
	}
	spans, err := sqlite.List(w.tx, func(r sqlite.Row) (s span, err error) {
		var last int64
		err = r.Scan(&last, &s.parts)
		s.at = sqlite.Moment(last)
		return s, err
	}, "SELECT last, parts FROM spans JOIN documents ON documents.id = document ORDER BY spans.id DESC LIMIT ?", mostSpans)
	if err != nil {
		return nil, err
	}
	count, quiet := map[string]int{}, 0
	for _, s := range spans {
		caused := slices.ContainsFunc(drifts, func(d facts.Drift) bool {
			return d.At != nil && !s.at.Before(*d.At) && s.at.Before(d.At.Add(aftermath))
		})
		if caused || quiet == mostQuiet {
			continue
		}
		doc, err := w.read(s.parts)
		if err != nil {
			return nil, err
		}
		quiet++
		for _, name := range beganBefore(doc, subject, s.at) {
			count[name]++
		}
	}
	if quiet < leastDrifts {
		return nil, nil
	}
	return count, nil
}

// document reads a document; nil if it is not kept.
func (w *witness) document(query string, args ...any) ([]sight, error) {
	var ids string
	err := w.tx.One(query, args...).Scan(&ids)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return w.read(ids)
}

func (w *witness) read(ids string) ([]sight, error) {
	var list []int64
	if err := sqlite.Decode(ids, &list); err != nil {
		return nil, err
	}
	doc := make([]sight, len(list))
	for i, id := range list {
		s, known := w.parts[id]
		if !known {
			p, err := sqlite.List(w.tx, unpack, "SELECT content FROM parts WHERE id = ?", id)
			if err != nil {
				return nil, err
			}
			if len(p) == 1 {
				if err := json.Unmarshal(p[0].text, &s); err != nil {
					return nil, err
				}
			}
			w.parts[id] = s
		}
		doc[i] = s
	}
	return doc, nil
}

// driftOf returns when what the action healed had become wrong, as the document before the
// action shows it; nil if it does not.
func driftOf(doc []sight, subject string, a Action) *time.Time {
	var newest *time.Time
	take := func(t *time.Time) {
		if t != nil && !t.After(a.At) && (newest == nil || t.After(*newest)) {
			newest = t
		}
	}
	for i := range doc {
		u := &doc[i]
		if u.Name != subject {
			continue
		}
		switch a.Action {
		case finding.DaemonReload:
			for _, f := range u.Files {
				take(f.ChangedAt)
			}
		case finding.Restart:
			for _, c := range u.Containers {
				if c.State != "running" {
					take(c.FinishedAt)
				}
			}
			if newest == nil && u.Loaded != nil {
				take(u.Loaded.ActiveExit)
			}
		}
	}
	if newest == nil || a.At.Sub(*newest) > day {
		return nil
	}
	return newest
}

// beganBefore returns what began within the minute before the time, sorted: the timers that start a
// service, or else the service, an activation, and a change of packages.
func beganBefore(doc []sight, subject string, at time.Time) []string {
	names := map[string]bool{}
	isRecent := func(t *time.Time) bool {
		return t != nil && t.After(at.Add(-within)) && !t.After(at.Add(blur))
	}
	ofHomeManager := slices.ContainsFunc(doc, func(s sight) bool { return s.Declared != nil && s.Declared.Source == facts.ByHomeManager })
	for i := range doc {
		u := &doc[i]
		if h := u.Host; h != nil && h.PackagesAt != nil && h.PackagesAt.Sub(at).Abs() < within {
			names[packages] = true
		}
		if u.Name == subject || u.Name == "" {
			continue
		}
		if u.Loaded != nil && isRecent(u.Loaded.InactiveExit) && strings.HasSuffix(u.Name, ".service") && !strings.HasPrefix(u.Name, "stackpolicy-") {
			timers := slices.DeleteFunc(slices.Clone(u.Loaded.TriggeredBy), func(t string) bool { return !strings.HasSuffix(t, ".timer") })
			names[cmp.Or(strings.Join(timers, ", "), u.Name)] = true
		}
		if ofHomeManager && u.ManagedBy == facts.ByHomeManager && slices.ContainsFunc(u.Files, func(f facts.File) bool {
			return f.State == facts.StateDeclared && f.ChangedAt != nil && f.ChangedAt.Sub(at).Abs() < within
		}) {
			names[facts.ByHomeManager] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
