package daily

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// How much of each list is shown.
const (
	maxUnits    = 200
	maxGroups   = 50
	maxFindings = 10 // of one subject
	maxLayers   = 20 // of one unit
	maxRows     = 50 // of a table
)

// builder holds what all parts of a model are made from.
type builder struct {
	Input
	clock
	looks []look
	of    map[string][]history.Standing // by subject
	doubt []history.Standing            // undecided for want of facts, on the host
	last  Snapshot
}

// Build makes a page from what was read. It depends on its input alone.
func Build(in Input) Model { return newBuilder(in).model() }

func newBuilder(in Input) *builder {
	b := &builder{Input: in, clock: clock{in.Now}, looks: looks(in.Spans, in.Now), of: map[string][]history.Standing{}}
	for _, s := range in.Standings {
		b.of[s.Subject] = append(b.of[s.Subject], s)
		if s.Subject == finding.Host && stateOf(s.Finding) == unknown {
			b.doubt = append(b.doubt, s)
		}
	}
	if in.Document != nil {
		b.last = snapshot(in.Document)
	}
	return b
}

func (b *builder) model() Model {
	m := Model{Verdict: b.verdict(), Window: b.window(), Notes: b.notes()}
	m.Units = b.units()
	m.Now = b.standing(m.Units.List)
	m.Healed, m.Trouble = b.healed(), b.trouble()
	m.Back, m.Waived = b.back(), b.waived()
	m.Latency, m.False = b.latency(), b.falseSuccess()
	m.Tiles = b.tiles(&m)
	m.Title = "stackpolicy: " + m.Verdict.Word + b.onHost()
	return m
}

func (b *builder) onHost() string {
	if b.Document == nil || b.Document.Host == nil {
		return ""
	}
	return " on " + name(b.Document.Host.Name)
}

// verdict is the last audit's, and whether it still tells anything.
func (b *builder) verdict() Verdict {
	last := b.LastAudit
	if last == nil {
		return Verdict{
			Class: unknown.class(), Word: "UNKNOWN", Sentence: "No audit is recorded yet.",
			Stale: "Run `stackpolicy eval`, and see that stackpolicy-audit.timer is active.",
		}
	}
	word, class := verdict(last.ExitCode)
	v := Verdict{Class: class, Word: word, Sentence: b.counts()}
	if !last.Began() {
		v.Sentence = "the audit could not begin. Before it: " + b.counts()
	}
	v.When = fmt.Sprintf("audited %s (%s), mode %s", b.ago(last.To), b.at(last.To), name(last.Mode))
	if why := stale(*last, b.now); why != "" {
		v.Stale, v.Word, v.Class = why, "STALE", unknown.class()
		v.Sentence = fmt.Sprintf("It was %s then: %s", word, v.Sentence)
	}
	return v
}

// stale is why the last audit tells nothing of now; "" when it does.
func stale(last history.AuditSpan, now time.Time) string {
	switch age := now.Sub(last.To); {
	case age > Stale:
		return fmt.Sprintf("The last audit was %s ago, and one is due every 10 to 12 min: what is true now is not known. Look at `systemctl --user status stackpolicy-audit.timer`.", text.Elapsed(age))
	case age < -Stale:
		return fmt.Sprintf("The last audit is dated %s ahead: the clock was set back since. What is true now is not known.", text.Elapsed(-age))
	}
	return ""
}

// counts says in one sentence what stands.
func (b *builder) counts() string {
	units := len(b.last.Units)
	words := tally(b.Standings)
	if b.Document != nil {
		words += " on " + text.Count(units, "managed unit", "managed units")
	}
	return words + "."
}

// tally counts what stands, by how bad it is.
func tally(standings []history.Standing) string {
	counts := map[string]int{}
	for _, s := range standings {
		if s.ResolvedAt == nil {
			counts[wordOf(s.Finding)]++
		}
	}
	words := ""
	for _, w := range []struct{ word, one, all string }{
		{"PAGE", "page", "pages"}, {"UNKNOWN", "undecided", "undecided"}, {"TICKET", "ticket", "tickets"},
		{"HEAL", "to heal", "to heal"}, {"WAIVED", "waived", "waived"},
	} {
		if n := counts[w.word]; n > 0 {
			words += ", " + text.Count(n, w.one, w.all)
		}
	}
	if words == "" {
		return "nothing stands out"
	}
	return words[2:]
}

// window names its times at five equal distances.
func (b *builder) window() Window {
	length := max(b.Now.Sub(b.Since), 0)
	w := Window{From: b.at(b.Since), To: b.at(b.Now), Length: text.Elapsed(length), Zone: b.zone()}
	for i := range 5 {
		w.Axis = append(w.Axis, b.tick(b.Since.Add(length*time.Duration(i)/4), length))
	}
	return w
}

// tick is a time on the axis: of day within two days, else the day.
func (b *builder) tick(t time.Time, length time.Duration) string {
	if t = t.In(b.now.Location()); length <= 48*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2 Jan")
}

// notes say what a reader could otherwise take for a fact.
func (b *builder) notes() []string {
	notes := slices.Clone(b.Cut)
	missing := 0
	for _, s := range b.Spans {
		if _, kept := b.Snapshots[s.DocumentDigest]; !kept {
			missing++
		}
	}
	if missing > 0 {
		notes = append(notes, fmt.Sprintf("The snapshots of %s of %d are not kept or not read: a unit that came later is shown there as if it had been looked at, and false successes are not counted.",
			text.Count(missing, "run of audits", "runs of audits"), len(b.Spans)))
	}
	if b.LastAudit != nil && b.Document == nil {
		notes = append(notes, "The last audit's snapshot is not kept: no layers are shown.")
	}
	return notes
}

// standing groups what stands by subject, the worst first, as the units are.
func (b *builder) standing(units []Unit) Some[Group] {
	var groups []Group
	for _, u := range units {
		if list := b.counting(b.of[u.key]); len(list) > 0 {
			groups = append(groups, Group{Subject: u.Name, Anchor: u.Anchor, Findings: b.findings(list)})
		}
	}
	return some(groups, maxGroups)
}

// counting are the standings that stand and count, the worst first.
func (b *builder) counting(list []history.Standing) []history.Standing {
	return slices.DeleteFunc(b.sorted(list), func(s history.Standing) bool {
		return s.ResolvedAt != nil || s.Waiver != nil
	})
}

// sorted are standings, those that stand and the worst first, then the newest.
func (b *builder) sorted(list []history.Standing) []history.Standing {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y history.Standing) int {
		return cmp.Or(
			cmp.Compare(gone(x), gone(y)),
			cmp.Compare(stateOf(y.Finding), stateOf(x.Finding)),
			y.Since.Compare(x.Since),
			cmp.Compare(x.Invariant, y.Invariant),
			cmp.Compare(x.ID, y.ID),
		)
	})
	return list
}

func gone(s history.Standing) int {
	if s.ResolvedAt == nil {
		return 0
	}
	return 1
}
