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
	"stackpolicy/report/timeline"
)

// Unit is one unit, or the host, over time.
type Unit struct {
	key          string // the subject as it was recorded; never shown
	Name, Anchor string
	Class, Word  string // now
	About        string // its stack, and who manages it
	Strip        Strip
	Layers       Some[Layer]
	Past         Some[Finding] // resolved findings
}

// units lists every subject; the worst now come first, then the worst of the
// whole window.
func units(t *timeline.Timeline, r timeline.Record, w wording) Some[Unit] {
	type ranked struct {
		Unit
		now, ever timeline.State
	}
	var list []ranked
	for _, subject := range t.Subjects() {
		spells := t.Spells(subject)
		now := timeline.Unseen
		if len(spells) > 0 && r.Now.After(r.Since) {
			now = spells[len(spells)-1].State
		}
		list = append(list, ranked{unit(subject, t.Findings(subject), r.Document, w), now, worstOf(spells)})
		u := &list[len(list)-1].Unit
		u.Class, u.Word, u.Strip = classOf(now), stateWord(now), strip(spells, w.clock)
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

func worstOf(spells []timeline.Spell) (worst timeline.State) {
	for _, s := range spells {
		worst = max(worst, s.State)
	}
	return worst
}

// unit returns what does not depend on time: what the last audit saw of a
// subject, and its resolved findings.
func unit(subject string, list []history.Occurrence, doc *facts.Document, w wording) Unit {
	past := slices.DeleteFunc(worstFirst(list), func(s history.Occurrence) bool { return s.ResolvedAt == nil })
	u := Unit{key: subject, Name: name(subject), Past: w.findings(past)}
	if found := inDocument(doc, subject); found != nil {
		u.About, u.Layers = about(*found, doc.CollectedAt), layers(*found, doc.Manager)
	} else if subject != finding.Host && doc != nil {
		u.About = "no longer managed"
	}
	return u
}

func inDocument(doc *facts.Document, subject string) *facts.Unit {
	if doc == nil {
		return nil
	}
	i := slices.IndexFunc(doc.Units, func(u facts.Unit) bool { return u.Name == subject })
	if i < 0 {
		return nil
	}
	return &doc.Units[i]
}

// about says what a unit is, and in which state the manager had it.
func about(u facts.Unit, at time.Time) string {
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
			state += " for " + text.Elapsed(max(at.Sub(*l.ActiveSince), 0))
		}
		parts = append(parts, state)
	}
	return strings.Join(parts, " · ")
}
