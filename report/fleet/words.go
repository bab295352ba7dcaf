package fleet

import (
	"fmt"
	"strings"
	"time"

	"stackpolicy/finding"
	hosts "stackpolicy/fleet"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/text"
	"stackpolicy/report/look"
)

// classOf returns the CSS class of a state.
func classOf(s overview.State) string {
	switch s {
	case overview.Waived, overview.Revoked:
		return "none"
	}
	return classOfLevel(s.Level())
}

func classOfLevel(l finding.Level) string {
	return [...]string{finding.LevelOK: "ok", finding.LevelWarning: "ticket", finding.LevelUnknown: "unknown", finding.LevelCritical: "page"}[l]
}

// about says what a state means, and what to do about it.
func about(s overview.State) string {
	return map[overview.State]string{
		overview.Untrusted: "Two hosts have one key, or one contradicts what it sent before: nothing that these say is trusted. Find out who has the key, revoke the source, and enroll the host again.",
		overview.Silent:    "Nothing was received for longer than these may pause. How they are now is not known; what is shown is what they said last.",
		overview.Never:     "These are enrolled, and have not sent anything.",
		overview.Page:      "Something is to be mended now.",
		overview.Unknown:   "Audits could not collect or decide, or there was none for too long.",
		overview.Gap:       "The hub does not have all that these sent. What is missing is not taken for good.",
		overview.BadClock:  "Times of these cannot be right, so neither can how long something was open.",
		overview.Ticket:    "Something is to be mended within working hours.",
		overview.Waived:    "Somebody decided that all that is open does not count, until a time.",
		overview.Good:      "Everything was looked at, and nothing is open.",
		overview.Revoked:   "An operator took these out. Nothing of them is received.",
	}[s]
}

// tally counts the sources by state, the most urgent first.
func tally(f overview.Fleet) string {
	var words []string
	for _, t := range f.Totals {
		if t.Sources > 0 {
			words = append(words, fmt.Sprintf("%d %s", t.Sources, t.State))
		}
	}
	if len(words) == 0 {
		return "no source is enrolled"
	}
	return strings.Join(words, ", ")
}

// heard says when a source was heard from.
func heard(r overview.Row, now time.Time) string {
	if r.Received.IsZero() {
		return "never"
	}
	return text.Ago(now, r.Received)
}

// rules says which release a source is on.
func rules(r overview.Row) string {
	on := r.Beat.Release
	switch {
	case r.Received.IsZero():
		return ""
	case on == nil:
		return "no release"
	case on.Stage == "active":
		return fmt.Sprintf("%s %d", short(on.Channel), on.Version)
	}
	return fmt.Sprintf("%s %d, %s", short(on.Channel), on.Version, short(on.Stage))
}

// maxShort is the longest that a word of a source may be in a narrow column.
const maxShort = 32

// short makes a word of a source harmless and short. No channel or stage of ours is longer.
func short(s string) string { return text.Clip(look.Name(text.Clip(s, maxShort)), maxShort) }

// aboutRules says what else there is to say of them: problems, and rules that are tried.
func aboutRules(r overview.Row) string {
	var words []string
	if on := r.Beat.Release; on != nil && on.Problem != "" {
		words = append(words, look.Sentence(on.Problem))
	}
	if s := r.Beat.Shadow; s != nil {
		words = append(words, fmt.Sprintf("tries %d in shadow: %s, %s, %s", s.Version, text.Count(s.Audits, "audit", "audits"),
			text.Count(s.Errors, "error", "errors"), text.Count(s.NewPages, "new page", "new pages")))
	}
	return strings.Join(words, "; ")
}

// evidence says what the hub has of a source.
func evidence(r overview.Row) string {
	switch {
	case r.Newest == 0:
		return "none"
	case r.Fork != "":
		return "not trusted"
	}
	words := []string{fmt.Sprintf("complete to %d", r.Newest)}
	if n := r.CountMissing(); n > 0 {
		words = []string{fmt.Sprintf("to %d", r.Newest), fmt.Sprintf("%d missing", n)}
	}
	if r.Beat.Waiting > 0 {
		words = append(words, fmt.Sprintf("%d to come", r.Beat.Waiting))
	}
	if r.Refused > 0 {
		words = append(words, fmt.Sprintf("%d refused", r.Refused))
	}
	return strings.Join(words, ", ")
}

// refused says how many envelopes of a source were refused, and why the last one was.
func refused(r overview.Row) string {
	words := text.Count(r.Refused, "envelope was", "envelopes were") + " refused"
	if r.Refusal != "" {
		words += ", the last one: " + look.Sentence(r.Refusal)
	}
	return words
}

// soon is how long before its end a signature is spoken of.
const soon = 14 * 24 * time.Hour

// offered says what is to be known of the releases that the hub offers: which are halted or not
// open to all, and what ends soon.
func offered(f overview.Fleet) (lines []string) {
	for _, c := range f.Channels {
		of := fmt.Sprintf("%s %d", look.Name(c.Name), c.Version)
		switch {
		case c.Halted:
			lines = append(lines, of+" is halted: "+look.Sentence(c.Reason))
		case c.Open < c.Stages:
			lines = append(lines, fmt.Sprintf("%s may act in %d of its %d stages", of, c.Open, c.Stages))
		}
	}
	for _, e := range f.Ends {
		switch left := e.At.Sub(f.At); {
		case left <= 0:
			lines = append(lines, look.Sentence(e.What)+" expired: hosts take nothing new. "+look.Sentence(e.Do))
		case left < soon:
			lines = append(lines, fmt.Sprintf("%s expires in %s. %s", look.Sentence(e.What), text.Elapsed(left), look.Sentence(e.Do)))
		}
	}
	return lines
}

// maxRanges is how many ranges of missing envelopes are named.
const maxRanges = 5

// ranges names the envelopes that are missing.
func ranges(missing []hosts.Range) string {
	var words []string
	for i, m := range missing {
		switch {
		case i == maxRanges:
			return strings.Join(words, ", ") + fmt.Sprintf(" and %d more", len(missing)-i)
		case m.From == m.To:
			words = append(words, fmt.Sprint(m.From))
		default:
			words = append(words, fmt.Sprintf("%d to %d", m.From, m.To))
		}
	}
	return strings.Join(words, ", ")
}

// name returns the name of a source for one line.
func nameOf(s hosts.Source) string { return look.Name(s.Host) + " " + look.Name(s.User) }

// worst returns the worst finding in one sentence, and its word; "" if there is none, or something
// else is more important to know of the source.
func worst(r overview.Row) (word, sentence string) {
	w := r.Worst
	switch r.State {
	case overview.Page, overview.Ticket, overview.Silent:
	default:
		return "", ""
	}
	if w == nil {
		return "", ""
	}
	word = "TICKET"
	if s := finding.Severity(w.Severity); s == finding.Page || s == finding.Unknown {
		word = strings.ToUpper(w.Severity)
	}
	sentence = look.Name(w.Invariant) + ": " + look.Sentence(w.Message)
	if !strings.Contains(w.Message, w.Subject) {
		sentence = look.Name(w.Invariant) + " of " + look.Name(w.Subject) + ": " + look.Sentence(w.Message)
	}
	return word, sentence
}
