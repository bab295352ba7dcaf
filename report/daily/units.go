package daily

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// units are the host and every unit that is managed or that something was
// found of; the worst now come first, then the worst of the whole window.
func (b *builder) units() Some[Unit] {
	type ranked struct {
		Unit
		now, ever state
	}
	var list []ranked
	for _, n := range b.names() {
		spells := b.spells(n)
		u, now := b.unit(n, spells)
		ever := inOrder
		for _, s := range spells {
			ever = max(ever, s.state)
		}
		list = append(list, ranked{u, now, ever})
	}
	slices.SortStableFunc(list, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(y.now, x.now), cmp.Compare(y.ever, x.ever))
	})
	var out []Unit
	for i, r := range list {
		r.Anchor = fmt.Sprintf("u%d", i)
		out = append(out, r.Unit)
	}
	return some(out, maxUnits)
}

// names are the subjects, the host first. Without any audit there is none.
func (b *builder) names() []string {
	if b.LastAudit == nil && len(b.Spans) == 0 {
		return nil
	}
	known := map[string]bool{}
	for n := range b.last.Units {
		known[n] = true
	}
	for n := range b.of {
		known[n] = true
	}
	delete(known, finding.Host)
	list := make([]string, 0, len(known))
	for n := range known {
		list = append(list, n)
	}
	slices.Sort(list)
	return append([]string{finding.Host}, list...)
}

// spells are a subject's states over the window.
func (b *builder) spells(subject string) []spell {
	var marks []spell
	for _, l := range b.looks {
		if !b.lookedAt(subject, l) {
			continue
		}
		if last := len(marks) - 1; last >= 0 && marks[last].to.Equal(l.from) {
			marks[last].to = l.to
			continue
		}
		marks = append(marks, spell{l.from, l.to, inOrder})
	}
	marks = append(marks, b.marks(b.of[subject])...)
	for _, s := range b.doubt {
		if subject != finding.Host && b.concerns(s.Invariant, subject) {
			marks = append(marks, b.marks([]history.Standing{s})...)
		}
	}
	return sweep(b.Since, b.Now, marks)
}

// marks are the whiles in which findings that count stood. That one does not
// count says nothing: only an audit marks a while as in order.
func (b *builder) marks(list []history.Standing) []spell {
	var marks []spell
	for _, s := range list {
		if state := stateOf(s.Finding); state != inOrder {
			from, to := b.lasted(s)
			marks = append(marks, spell{from, to, state})
		}
	}
	return marks
}

// lasted is from when to when a finding stood.
func (b *builder) lasted(s history.Standing) (from, to time.Time) {
	if s.ResolvedAt == nil {
		return s.Since, b.now
	}
	return s.Since, later(*s.ResolvedAt, s.Since.Add(least))
}

// lookedAt: the audit's snapshot has the subject, or may have had it.
func (b *builder) lookedAt(subject string, l look) bool {
	snapshot, kept := b.Snapshots[l.document]
	if subject == finding.Host || !kept || !snapshot.Whole {
		return true
	}
	_, managed := snapshot.Units[subject]
	return managed || b.found(subject, l)
}

// found: something was found of a subject meanwhile, so it was looked at.
func (b *builder) found(subject string, l look) bool {
	return slices.ContainsFunc(b.of[subject], func(s history.Standing) bool {
		from, to := b.lasted(s)
		return from.Before(l.to) && to.After(l.from)
	})
}

// concerns: an invariant that was undecided for want of facts is asked of this
// unit. Where that is not known, it is.
func (b *builder) concerns(invariant, unit string) bool {
	var class finding.Class
	if b.Class != nil {
		class = b.Class(invariant)
	}
	switch class {
	case finding.ClassHost:
		return false
	case finding.ClassStack:
		return b.last.Units[unit].Stack
	}
	return true
}

func (b *builder) unit(subject string, spells []spell) (Unit, state) {
	now := unlooked
	if len(spells) > 0 && b.now.After(b.Since) {
		now = spells[len(spells)-1].state
	}
	u := Unit{key: subject, Name: name(subject), Class: now.class(), Word: now.word(), Strip: strip(spells)}
	resolved := slices.DeleteFunc(b.sorted(b.of[subject]), func(s history.Standing) bool { return s.ResolvedAt == nil })
	u.Past = b.findings(resolved)
	if found := b.inDocument(subject); found != nil {
		u.About, u.Layers = b.about(*found), b.layers(*found)
	} else if subject != finding.Host && b.Document != nil {
		u.About = "not managed any more"
	}
	return u, now
}

func (b *builder) inDocument(subject string) *facts.Unit {
	if b.Document == nil {
		return nil
	}
	i := slices.IndexFunc(b.Document.Units, func(u facts.Unit) bool { return u.Name == subject })
	if i < 0 {
		return nil
	}
	return &b.Document.Units[i]
}

// about is what a unit is, and what the manager has of it.
func (b *builder) about(u facts.Unit) string {
	parts := []string{}
	if u.Stack != "" {
		parts = append(parts, "stack "+name(u.Stack))
	}
	switch u.ManagedBy {
	case "home-manager":
		parts = append(parts, "declared by Home Manager")
	case "config":
		parts = append(parts, "named in the configuration")
	}
	if u.Template {
		parts = append(parts, "template")
	}
	if l := u.Loaded; l != nil {
		state := name(l.ActiveState) + " (" + name(l.SubState) + ")"
		if l.ActiveSince != nil && l.ActiveState == "active" {
			state += " for " + text.Elapsed(max(b.Document.CollectedAt.Sub(*l.ActiveSince), time.Duration(0)))
		}
		parts = append(parts, state)
	}
	return strings.Join(parts, " · ")
}
