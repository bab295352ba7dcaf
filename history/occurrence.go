package history

import (
	"bytes"
	"cmp"
	"compress/flate"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

// Occurrence is a finding with the time in which it was open.
type Occurrence struct {
	ID int64 // never used again, not even after it was pruned
	finding.Finding
	Since      time.Time
	LastSeen   time.Time  // if before the last audit, that audit could not decide
	ResolvedAt *time.Time // nil while it is open
}

// Changes lists the findings that an audit changed, for alerts. Each list is sorted
// by ID.
type Changes struct {
	Appeared []Occurrence
	Changed  []Occurrence // in effect, severity, outcome, waiver or case; message and other evidence do not count
	Resolved []Occurrence // a finding that was found and healed by the same audit is only here
}

func (c Changes) none() bool { return len(c.Appeared)+len(c.Changed)+len(c.Resolved) == 0 }

// key identifies a finding by the thing at fault, or by the case where the evidence
// names no thing. If two have the same key, texts and cases are compared.
type key struct{ invariant, subject, object, kind string }

func keyOf(f finding.Finding) key {
	if object := f.Object(); object != "" {
		return key{f.Invariant, f.Subject, object, ""}
	}
	return key{f.Invariant, f.Subject, "", f.Case()}
}

// entry is a row of the table standings.
type entry struct {
	Occurrence
	text   string // the finding, as it is stored
	unseen bool   // the last audit could not decide whether it is open
}

// noted is a finding and the text in which it is stored.
type noted struct {
	finding.Finding
	text string
}

func note(findings []finding.Finding) ([]noted, error) {
	all := make([]noted, len(findings))
	for i, f := range findings {
		text, err := sqlite.Encode(Stored(f))
		if err != nil {
			return nil, fmt.Errorf("encode the finding of %s on %s: %w", f.Invariant, f.Subject, err)
		}
		all[i] = noted{f, text}
	}
	return all, nil
}

// sameVerdict reports whether effect, severity, outcome, case and the waiver's end
// are equal: only a change of these is worth an alert.
func sameVerdict(f, g finding.Finding) bool {
	sameWaiver := (f.Waiver == nil) == (g.Waiver == nil) &&
		(f.Waiver == nil || f.Waiver.Until.Equal(g.Waiver.Until))
	return f.Effect == g.Effect && f.Severity == g.Severity && f.Outcome == g.Outcome && f.Case() == g.Case() && sameWaiver
}

// alike says when two findings with the same key are paired, the most alike first.
var alike = []func(f noted, s *entry) bool{
	func(f noted, s *entry) bool { return f.text == s.text },
	func(f noted, s *entry) bool { return f.Case() == s.Case() },
	func(noted, *entry) bool { return true },
}

// pair returns for each finding the open one that it continues, or nil for a new
// one.
func pair(was []*entry, found []noted) []*entry {
	taken, pairs := map[*entry]bool{}, make([]*entry, len(found))
	byKey := map[key][]*entry{}
	for _, s := range was {
		k := keyOf(s.Finding)
		byKey[k] = append(byKey[k], s)
	}
	for _, fits := range alike {
		for i, f := range found {
			for _, s := range byKey[keyOf(f.Finding)] {
				if pairs[i] == nil && !taken[s] && fits(f, s) {
					pairs[i], taken[s] = s, true
				}
			}
		}
	}
	return pairs
}

// StillOpen returns for each finding the open occurrence that it continues, nil for a new one.
func StillOpen(open []Occurrence, findings []finding.Finding) ([]*Occurrence, error) {
	was := make([]*entry, len(open))
	for i, o := range open {
		text, err := sqlite.Encode(Stored(o.Finding))
		if err != nil {
			return nil, fmt.Errorf("encode the finding of %s on %s: %w", o.Invariant, o.Subject, err)
		}
		was[i] = &entry{Occurrence: o, text: text}
	}
	found, err := note(findings)
	if err != nil {
		return nil, err
	}
	continued := make([]*Occurrence, len(findings))
	for i, e := range pair(was, found) {
		if e != nil {
			continued[i] = &e.Occurrence
		}
	}
	return continued, nil
}

// isUndecided reports whether it could not be decided if the finding is still open.
func isUndecided(f finding.Finding, found []finding.Finding) bool {
	return slices.ContainsFunc(found, func(x finding.Finding) bool {
		return x.IsUnknown() && x.Invariant == f.Invariant && (x.Subject == f.Subject || x.Subject == finding.Host)
	})
}

// leftUnseen reports whether the finding's subject is no longer in the document
// although nobody can have seen that it is gone: the audit has gaps, or the document
// in which it was last goes by another source of declarations.
func leftUnseen(tx sqlite.Tx, e *entry, a Audit) (bool, error) {
	has := func(u facts.Unit) bool { return u.Name == e.Subject }
	if e.Subject == finding.Host || slices.ContainsFunc(a.Document.Units, has) {
		return false, nil
	}
	if len(a.Gaps) > 0 || a.Document.Declared == nil {
		return true, nil
	}
	was, err := sourceAt(tx, e.LastSeen)
	return was != "" && was != a.Document.Declared.Source, err
}

// sourceAt returns the source of declarations of the document at the time; "" if
// there was none, or that is no longer known.
func sourceAt(tx sqlite.Tx, at time.Time) (source string, err error) {
	var head []byte
	err = tx.One(`SELECT content FROM spans JOIN documents ON documents.id = spans.document, json_each(documents.parts) AS part
		JOIN parts ON parts.id = part.value WHERE part.key = 0 AND first <= ?1 AND last >= ?1 ORDER BY spans.id DESC LIMIT 1`, sqlite.Stamp(at)).Scan(&head)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var doc facts.Document
	if err := json.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(head)), maxPart)).Decode(&doc); err != nil || doc.Declared == nil {
		return "", nil // a damaged document is reported where it is read for its own sake
	}
	return doc.Declared.Source, nil
}

// reconcile updates the open findings to those of the audit, and returns what
// changed.
func reconcile(tx sqlite.Tx, a Audit, last span) (Changes, error) {
	changes := Changes{Appeared: []Occurrence{}, Changed: []Occurrence{}, Resolved: []Occurrence{}}
	found, err := note(a.Findings)
	if err != nil {
		return changes, err
	}
	healed, err := note(a.Healed)
	if err != nil {
		return changes, err
	}
	was, err := readOccurrences(tx, last.last, "resolved IS NULL ORDER BY id")
	if err != nil {
		return changes, err
	}
	left := map[int64]bool{}
	open := make([]*entry, len(was))
	for i := range was {
		open[i], left[was[i].ID] = &was[i], true
	}
	for i, s := range pair(open, found) {
		if s != nil {
			delete(left, s.ID)
		}
		if err := markFound(tx, s, found[i], a.At, &changes); err != nil {
			return changes, err
		}
	}
	open = slices.DeleteFunc(open, func(e *entry) bool { return !left[e.ID] })
	if err := markGone(tx, open, a, healed, &changes); err != nil {
		return changes, err
	}
	for _, part := range [][]Occurrence{changes.Appeared, changes.Changed, changes.Resolved} {
		slices.SortFunc(part, func(x, y Occurrence) int { return cmp.Compare(x.ID, y.ID) })
	}
	return changes, nil
}

// markFound stores an open finding; was is the one it continues, or nil.
func markFound(tx sqlite.Tx, was *entry, f noted, at time.Time, changes *Changes) (err error) {
	now := Occurrence{Finding: f.Finding, Since: at, LastSeen: at}
	if was == nil {
		now.ID, err = tx.Insert("INSERT INTO standings (finding, since) VALUES (?, ?)", f.text, sqlite.Stamp(at))
		changes.Appeared = append(changes.Appeared, now)
		return err
	}
	now.ID, now.Since = was.ID, was.Since
	if !sameVerdict(f.Finding, was.Finding) {
		changes.Changed = append(changes.Changed, now)
	}
	if was.unseen || f.text != was.text {
		err = tx.Do("UPDATE standings SET finding = ?, seen = NULL WHERE id = ?", f.text, was.ID)
	}
	return err
}

// markGone resolves the open findings that the audit did not find, except those it
// could not decide or check, and adds the findings that it both found and healed.
func markGone(tx sqlite.Tx, open []*entry, a Audit, healed []noted, changes *Changes) error {
	for i, known := range pair(open, healed) {
		e := entry{Occurrence: Occurrence{Finding: healed[i].Finding, Since: a.At, LastSeen: a.At}, text: healed[i].text}
		if known != nil {
			e.ID, e.Since = known.ID, known.Since
			open = slices.DeleteFunc(open, func(x *entry) bool { return x.ID == e.ID })
		}
		if err := resolve(tx, e, a.At, changes); err != nil {
			return err
		}
	}
	for _, e := range open {
		left, err := leftUnseen(tx, e, a)
		if err != nil {
			return err
		}
		if left || isUndecided(e.Finding, a.Findings) {
			err = tx.Do("UPDATE standings SET seen = ? WHERE id = ? AND seen IS NULL", sqlite.Stamp(e.LastSeen), e.ID)
		} else {
			err = resolve(tx, *e, a.At, changes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resolve stores that a finding is gone. If the clock was set back, it is resolved at the
// time at which it appeared, not before.
func resolve(tx sqlite.Tx, e entry, at time.Time, changes *Changes) (err error) {
	if at.Before(e.Since) {
		at = e.Since
	}
	e.ResolvedAt = &at
	if e.ID != 0 {
		err = tx.Do("UPDATE standings SET finding = ?, seen = ?, resolved = ? WHERE id = ?", e.text, sqlite.Stamp(e.LastSeen), sqlite.Stamp(at), e.ID)
	} else {
		e.ID, err = tx.Insert("INSERT INTO standings (finding, since, seen, resolved) VALUES (?, ?, ?, ?)", e.text, sqlite.Stamp(e.Since), sqlite.Stamp(e.LastSeen), sqlite.Stamp(at))
	}
	changes.Resolved = append(changes.Resolved, e.Occurrence)
	return err
}

// readOccurrences reads entries. Those that are not marked as unseen were seen by the last
// audit, at the given time.
func readOccurrences(tx sqlite.Tx, lastAudit int64, which string, args ...any) ([]entry, error) {
	return sqlite.List(tx, func(r sqlite.Row) (e entry, err error) {
		var since int64
		var seen, resolved sql.NullInt64
		if err := r.Scan(&e.ID, &e.text, &since, &seen, &resolved); err != nil {
			return e, err
		}
		e.unseen = seen.Valid
		if !seen.Valid {
			seen.Int64 = lastAudit
		}
		e.Since, e.LastSeen, e.ResolvedAt = sqlite.Moment(since), sqlite.Moment(max(since, seen.Int64)), sqlite.MomentOrNil(resolved)
		var stored StoredFinding
		err = sqlite.Decode(e.text, &stored)
		e.Finding = stored.finding()
		return e, err
	}, "SELECT id, finding, since, seen, resolved FROM standings WHERE "+which, args...)
}
