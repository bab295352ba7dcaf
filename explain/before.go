package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// Bounds of what is read from the history, and of what is reported.
const (
	maxOpen    = 10_000
	maxSpans   = 10_000
	maxActions = 1_000
	maxChanges = 6
)

// Recording is what audits recorded; [history.Store] is one.
type Recording interface {
	Audits(ctx context.Context, since time.Time, limit int) ([]history.AuditSpan, error)
	Occurrences(ctx context.Context, since time.Time, limit int) ([]history.Occurrence, error)
	Actions(ctx context.Context, since time.Time, limit int) ([]history.Action, error)
	Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error)
}

// Before is what changed between two audits: the last one without a finding, and the first
// one with it.
type Before struct {
	From    time.Time // the audit without it; zero: there was none
	To      time.Time // the audit with it
	Changes []Change  // the most telling first
	Left    int       // how many more there are
	Unknown string    // why documents could not be compared; "" if they were
}

// Change is one thing that changed.
type Change struct {
	What string     `json:"what"` // generation, rules, file, action, packages, manager, unit or container
	Text string     `json:"text"`
	At   *time.Time `json:"at,omitempty"` // when, where that is known
}

// Remember adds what the history knows of the findings: since when they are open, and what
// changed before them.
func Remember(ctx context.Context, list []Explanation, from Recording, now time.Time) error {
	open, err := from.Occurrences(ctx, now.Add(time.Hour), maxOpen)
	if err != nil {
		return err
	}
	findings := make([]finding.Finding, len(list))
	for i, e := range list {
		findings[i] = e.Decision
	}
	continued, err := history.StillOpen(open, findings)
	if err != nil {
		return err
	}
	for i, o := range continued {
		if o == nil || list[i].Decision.IsAllowed() {
			continue
		}
		list[i].Since = o.Since
		if list[i].Before, err = before(ctx, from, o.Since, o.Subject); err != nil {
			return err
		}
	}
	return nil
}

// before compares the audit that first saw a finding about the subject with the one before
// it. It returns nil if the memory has no audit of that time.
func before(ctx context.Context, from Recording, since time.Time, subject string) (*Before, error) {
	earlier, first, err := around(ctx, from, since)
	switch {
	case err != nil || first == nil:
		return nil, err
	case earlier == nil:
		return &Before{To: since, Unknown: "it was there when the first audit was recorded"}, nil
	}
	b := &Before{From: earlier.To, To: since}
	var all []ranked
	if first.PolicyDigest != earlier.PolicyDigest {
		all = append(all, ranked{1, Change{What: "rules", Text: "the rules, the settings or the runbooks changed"}})
	}
	actions, err := from.Actions(ctx, earlier.To, maxActions)
	if err != nil {
		return nil, err
	}
	all = append(all, ofActions(actions, since, subject)...)
	was, err := document(ctx, from, *earlier, earlier.To)
	if err == nil {
		var is *facts.Document
		if is, err = document(ctx, from, *first, since); err == nil {
			all = append(all, ofDocuments(was, is, subject)...)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		b.Unknown, err = "the facts of these audits are no longer kept", nil
	}
	slices.SortStableFunc(all, func(x, y ranked) int { return cmp.Compare(x.rank, y.rank) })
	for _, r := range all[:min(len(all), maxChanges)] {
		b.Changes = append(b.Changes, r.Change)
	}
	b.Left = len(all) - len(b.Changes)
	return b, err
}

// around returns the series of audits that has the given time, and the last one before that
// could collect. Either is nil if it is not kept.
func around(ctx context.Context, from Recording, since time.Time) (earlier, first *history.AuditSpan, err error) {
	spans, err := from.Audits(ctx, time.Time{}, maxSpans)
	if err != nil {
		return nil, nil, err
	}
	for i := range spans {
		s := &spans[i]
		switch {
		case !s.Began() || s.From.After(since):
		case first == nil && !s.To.Before(since):
			first = s
		case first != nil:
			return s, first, nil
		}
	}
	return nil, first, nil
}

func document(ctx context.Context, from Recording, s history.AuditSpan, at time.Time) (*facts.Document, error) {
	if s.DocumentDigest == "" {
		return nil, fs.ErrNotExist
	}
	return from.Document(ctx, s.DocumentDigest, at)
}

// ranked is a change and how telling it is: 0 is the most.
type ranked struct {
	rank int
	Change
}

// ofActions returns the actions on the subject, or on the manager, before the given time.
func ofActions(actions []history.Action, until time.Time, subject string) (all []ranked) {
	for _, a := range actions {
		if a.At.Before(until) && a.Status != history.Refused && (a.Subject == subject || a.Subject == finding.Host) {
			of := ""
			if a.Subject != finding.Host {
				of = " of " + a.Subject
			}
			all = append(all, ranked{1, Change{"action", fmt.Sprintf("stackpolicy ran %s%s: %s", a.Action, of, a.Status), &a.At}})
		}
	}
	return all
}

// ofDocuments returns what of two documents can explain a new finding about the subject.
func ofDocuments(was, is *facts.Document, subject string) []ranked {
	d := &difference{was: was, is: is}
	d.declared()
	d.manager()
	before, after := unit(was, subject), unit(is, subject)
	switch {
	case before == nil && after != nil:
		d.add(0, "unit", nil, "%s is new", subject)
	case before != nil && after == nil:
		d.add(0, "unit", nil, "%s is gone", subject)
	case before != nil:
		d.files(before.Files, after.Files)
		d.loaded(before.Loaded, after.Loaded)
		d.containers(before.Containers, after.Containers)
	}
	if subject == finding.Host {
		d.everyUnit()
	}
	return d.all
}

type difference struct {
	was, is *facts.Document
	all     []ranked
}

func (d *difference) add(rank int, what string, at *time.Time, format string, args ...any) {
	d.all = append(d.all, ranked{rank, Change{what, fmt.Sprintf(format, args...), at}})
}

// changed adds a value that is another one now.
func (d *difference) changed(rank int, what string, at *time.Time, name, was, is string) {
	if was != is {
		d.add(rank, what, at, "%s: %s, before %s", name, orNone(is), orNone(was))
	}
}

func orNone(s string) string { return cmp.Or(s, "none") }

func (d *difference) declared() {
	was, is := d.was.Declared, d.is.Declared
	if was == nil || is == nil {
		return
	}
	d.changed(0, "generation", nil, "Home Manager's generation", was.Generation, is.Generation)
}

func (d *difference) manager() {
	if was, is := d.was.Host, d.is.Host; was != nil && is != nil && differ(was.BootedAt, is.BootedAt) {
		d.add(1, "manager", is.BootedAt, "the machine was booted")
	}
	if was, is := d.was.Host, d.is.Host; was != nil && is != nil && is.PackagesAt != nil && (was.PackagesAt == nil || is.PackagesAt.After(*was.PackagesAt)) {
		d.add(1, "packages", is.PackagesAt, "packages were changed")
	}
	was, is := d.was.Manager, d.is.Manager
	if was == nil || is == nil {
		return
	}
	switch {
	case !was.StartedAt.Equal(is.StartedAt):
		d.add(2, "manager", &is.StartedAt, "the user manager started")
	case !was.LoadedAt.Equal(is.LoadedAt):
		d.add(2, "manager", &is.LoadedAt, "the user manager was reloaded")
	}
	d.changed(2, "manager", nil, "systemd's version", was.Version, is.Version)
}

// differ reports whether two times are not the same. When the machine was booted is computed,
// so it is only known to a second or two.
func differ(was, is *time.Time) bool {
	return was != nil && is != nil && is.Sub(*was).Abs() > time.Minute
}

func (d *difference) files(was, is []facts.File) {
	for _, f := range is {
		i := slices.IndexFunc(was, func(w facts.File) bool { return w.Path == f.Path && w.Role == f.Role })
		switch {
		case i < 0:
			d.add(0, "file", f.ChangedAt, "%s is new: %s", f.Path, f.State)
		case was[i].State != f.State:
			d.add(0, "file", f.ChangedAt, "%s: %s, before %s", f.Path, f.State, was[i].State)
		case was[i].Digest != f.Digest || was[i].Target != f.Target:
			d.add(0, "file", f.ChangedAt, "%s changed", f.Path)
		}
	}
	for _, w := range was {
		if !slices.ContainsFunc(is, func(f facts.File) bool { return w.Path == f.Path && w.Role == f.Role }) {
			d.add(0, "file", nil, "%s is gone", w.Path)
		}
	}
}

func (d *difference) loaded(was, is *facts.Loaded) {
	if was == nil || is == nil {
		return
	}
	d.changed(2, "unit", nil, "loaded", was.LoadState, is.LoadState)
	d.changed(3, "unit", is.StateChange, "state", state(was), state(is))
	d.changed(3, "unit", nil, "result", was.Result, is.Result)
}

func state(l *facts.Loaded) string { return strings.TrimSpace(l.ActiveState + " " + l.SubState) }

func (d *difference) containers(was, is []facts.Container) {
	for _, c := range is {
		i := slices.IndexFunc(was, func(w facts.Container) bool { return w.Name == c.Name })
		if i < 0 {
			d.add(2, "container", c.CreatedAt, "container %s is new: %s", c.Name, c.State)
			continue
		}
		w := was[i]
		switch {
		case w.ImageID != c.ImageID:
			d.add(1, "container", c.CreatedAt, "container %s was recreated from another image of %s", c.Name, c.Image)
		case w.ID != c.ID:
			d.add(2, "container", c.CreatedAt, "container %s was recreated", c.Name)
		}
		at := c.StartedAt
		if c.State == "exited" || c.State == "stopped" {
			at = c.FinishedAt
		}
		d.changed(3, "container", at, "container "+c.Name, strings.TrimSpace(w.State+" "+w.Health), strings.TrimSpace(c.State+" "+c.Health))
	}
	for _, w := range was {
		if !slices.ContainsFunc(is, func(c facts.Container) bool { return w.Name == c.Name }) {
			d.add(2, "container", nil, "container %s is gone", w.Name)
		}
	}
}

// everyUnit adds the units that are new, gone or have other files, for findings about the
// host.
func (d *difference) everyUnit() {
	for i := range d.is.Units {
		is := &d.is.Units[i]
		if was := unit(d.was, is.Name); was == nil {
			d.add(2, "unit", nil, "%s is new", is.Name)
		} else {
			d.files(was.Files, is.Files)
		}
	}
	for _, was := range d.was.Units {
		if unit(d.is, was.Name) == nil {
			d.add(2, "unit", nil, "%s is gone", was.Name)
		}
	}
}

func unit(doc *facts.Document, name string) *facts.Unit {
	i, found := slices.BinarySearchFunc(doc.Units, name, func(u facts.Unit, n string) int { return cmp.Compare(u.Name, n) })
	if !found {
		return nil
	}
	return &doc.Units[i]
}
