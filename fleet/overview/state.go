package overview

import (
	"fmt"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/internal/text"
)

// State is how a source is at a time.
type State string

// States, in the order in which they are shown. What the hub cannot see comes first.
const (
	Untrusted State = "untrusted"        // two hosts have its key, or one contradicts what it sent before
	Silent    State = "not heard from"   // its newest envelope is too old
	Never     State = "never heard from" // it is enrolled, and has not sent anything
	Page      State = "page"             // something is to be mended now
	Unknown   State = "unknown"          // its audits could not collect or decide, or there was none for too long
	Gap       State = "evidence missing" // there are envelopes that the hub does not have
	BadClock  State = "clock wrong"      // its times cannot be right
	Ticket    State = "ticket"           // something is to be mended within working hours
	Waived    State = "waived"           // all that is open is waived
	Good      State = "good"             // everything was looked at, and nothing is open
	Revoked   State = "revoked"          // an operator took it out; nothing of it is received
)

// States lists every state, in the order in which they are shown.
func States() []State {
	return []State{Untrusted, Silent, Never, Page, Unknown, Gap, BadClock, Ticket, Waived, Good, Revoked}
}

// Level returns how bad a state is, as exit statuses count it.
func (s State) Level() finding.Level {
	switch s {
	case Untrusted, Silent, Never, Page:
		return finding.LevelCritical
	case Ticket:
		return finding.LevelWarning
	case Waived, Good, Revoked:
		return finding.LevelOK
	}
	return finding.LevelUnknown
}

// How long a source may be silent: three times as long as it says that it pauses, within bounds,
// because a source could say anything.
const (
	pauses      = 3
	leastSilent = 30 * time.Minute // as long as the dead man's switch of a single host
	mostSilent  = 3 * 24 * time.Hour
	skew        = 10 * time.Minute // as much as the clock of a host may be ahead
)

// Patience returns how old the newest envelope and the last audit of a source may be.
func Patience(b fleet.Beat) time.Duration {
	every := min(max(b.Every, 0), mostSilent) // three times more than that overflows
	return min(max(pauses*every, leastSilent), mostSilent)
}

// Cause is a state that a source is in, and why.
type Cause struct {
	State State  `json:"state"`
	Why   string `json:"why"` // one sentence; not clean
}

// causesOf lists all states that a source is in at a time, the first to be shown first. A source
// that is revoked is in no other state.
func causesOf(s Source, now time.Time) []Cause {
	if s.Revoked != nil {
		return []Cause{{Revoked, "an operator revoked it"}}
	}
	why := map[State]string{
		Untrusted: s.Fork, Silent: silence(s, now), Never: neverSent(s), BadClock: s.Clock, Gap: gap(s),
		Page: urgent(s, finding.LevelCritical), Unknown: undecided(s, now), Ticket: urgent(s, finding.LevelWarning),
	}
	var causes []Cause
	for _, state := range States() {
		if why[state] != "" {
			causes = append(causes, Cause{state, why[state]})
		}
	}
	switch {
	case len(causes) > 0:
		return causes
	case waivedOf(s) > 0:
		return []Cause{{Waived, "all that is open is waived"}}
	}
	return []Cause{{Good, "every invariant holds"}}
}

func neverSent(s Source) string {
	if !s.Received.IsZero() {
		return ""
	}
	return "it is enrolled, and has not sent anything"
}

func silence(s Source, now time.Time) string {
	if age := now.Sub(s.Received); !s.Received.IsZero() && age > Patience(s.Beat) {
		return fmt.Sprintf("nothing was received for %s", text.Elapsed(age))
	}
	return ""
}

func gap(s Source) string {
	n := missing(s)
	if n == 0 {
		return ""
	}
	words := text.Count(int(n), "of its envelopes is missing", "of its envelopes are missing")
	if s.Beat.Waiting > 0 {
		return fmt.Sprintf("%s; it has %d still to send", words, s.Beat.Waiting)
	}
	return words + ", and it has none to send"
}

// missing counts the envelopes below the newest that are missing.
func missing(s Source) (n uint64) {
	for _, r := range s.Missing {
		if r.To >= r.From {
			n += r.To - r.From + 1
		}
	}
	return n
}

// undecided says why a source that is heard from does not say how it is.
func undecided(s Source, now time.Time) string {
	b := s.Beat
	switch {
	case s.Received.IsZero():
		return ""
	case b.Audited.IsZero():
		return "it has not audited yet"
	case b.Audited.After(s.Received.Add(skew)):
		return "it says that it audited later than the hub received that"
	case IsAuditLate(s, now):
		return fmt.Sprintf("its last audit was %s", text.Ago(now, b.Audited))
	}
	return urgent(s, finding.LevelUnknown)
}

// IsAuditLate reports whether a source is heard from, and its last audit is too old.
func IsAuditLate(s Source, now time.Time) bool {
	return !s.Received.IsZero() && !s.Beat.Audited.IsZero() && now.Sub(s.Beat.Audited) > Patience(s.Beat) && silence(s, now) == ""
}

// Back is the stage of a release that a source went back from.
const Back = "back"

// urgent says why a source is at a level, by what it said last; "" if it is not. Neither its exit
// status, nor its counts, nor its findings can make the others better.
func urgent(s Source, l finding.Level) string {
	if s.Received.IsZero() {
		return ""
	}
	counts := map[finding.Level]int{finding.LevelCritical: s.Beat.Open.Page, finding.LevelUnknown: s.Beat.Open.Unknown, finding.LevelWarning: s.Beat.Open.Ticket}
	for _, f := range s.Findings {
		if f.Level() == l && s.Applied == s.Newest { // else the newest beat knows better
			counts[l] = max(counts[l], 1)
		}
	}
	if n := counts[l]; n > 0 {
		return map[finding.Level]string{
			finding.LevelCritical: text.Count(n, "page is", "pages are") + " open",
			finding.LevelUnknown:  text.Count(n, "finding is", "findings are") + " undecided",
			finding.LevelWarning:  text.Count(n, "ticket is", "tickets are") + " open",
		}[l]
	}
	if finding.LevelOfExit(s.Beat.ExitCode) == l {
		return fmt.Sprintf("its last audit ended with exit status %d", s.Beat.ExitCode)
	}
	return ""
}

func waivedOf(s Source) int {
	n := s.Beat.Open.Waived
	for _, f := range s.Findings {
		if f.Waiver != nil && s.Applied == s.Newest {
			n = max(n, 1)
		}
	}
	return n
}
