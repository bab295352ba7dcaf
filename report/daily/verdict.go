package daily

import (
	"fmt"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report/timeline"
)

// Verdict is that of the last audit.
type Verdict struct {
	Class    string // ok, ticket, page or unknown
	Word     string // OK, WARNING, CRITICAL, UNKNOWN, or STALE
	Sentence string
	When     string
	Stale    string // why it says nothing about now; "" if it does
}

// verdictOf returns the last audit's verdict, with what is open on how many
// managed units.
func verdictOf(r timeline.Record, units int) Verdict {
	last, c := r.LastAudit, clock{r.Now}
	if last == nil {
		return Verdict{
			Class: classOf(timeline.Unknown), Word: "UNKNOWN", Sentence: "No audit is recorded yet.",
			Stale: "Run `stackpolicy eval`, and check that stackpolicy-audit.timer or stackpolicy-watch.service is active.",
		}
	}
	word, class := exitWord(last.ExitCode)
	v := Verdict{Class: class, Word: word, Sentence: tally(r.Occurrences) + onUnits(r.Document, units) + "."}
	if !last.Began() {
		v.Sentence = "the audit could not begin. Before it: " + v.Sentence
	}
	v.When = fmt.Sprintf("audited %s (%s), mode %s", c.ago(last.To), c.at(last.To), name(last.Mode))
	if why := stale(*last, r.Now); why != "" {
		v.Stale, v.Word, v.Class = why, "STALE", classOf(timeline.Unknown)
		v.Sentence = fmt.Sprintf("It was %s then: %s", word, v.Sentence)
	}
	return v
}

// stale returns why the last audit says nothing about now; "" if it does.
func stale(last history.AuditSpan, now time.Time) string {
	switch age := now.Sub(last.To); {
	case age > timeline.Stale:
		return fmt.Sprintf("The last audit was %s ago. One is due every 10 to 12 min, so the present state is unknown. Check `systemctl --user status stackpolicy-audit.timer stackpolicy-watch.service`.", text.Elapsed(age))
	case age < -timeline.Stale:
		return fmt.Sprintf("The last audit is dated %s in the future: the clock was set back since. The present state is unknown.", text.Elapsed(-age))
	}
	return ""
}

// tally counts the open findings by how bad they are.
func tally(occurrences []history.Occurrence) string {
	counts := map[string]int{}
	for _, s := range occurrences {
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
		return "no open finding"
	}
	return words[2:]
}

func onUnits(doc *facts.Document, n int) string {
	if doc == nil {
		return ""
	}
	return " on " + text.Count(n, "managed unit", "managed units")
}

func (in Input) onHost() string {
	switch {
	case in.Name != "":
		return " on " + name(in.Name)
	case in.Document == nil || in.Document.Host == nil:
		return ""
	}
	return " on " + name(in.Document.Host.Name)
}

// exitWord returns the word for an exit status, and its class.
func exitWord(exit int) (word, class string) {
	level := finding.LevelOfExit(exit)
	state := map[finding.Level]timeline.State{
		finding.LevelOK: timeline.InOrder, finding.LevelWarning: timeline.Ticket,
		finding.LevelUnknown: timeline.Unknown, finding.LevelCritical: timeline.Page,
	}[level]
	return level.String(), classOf(state)
}
