package policy

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"stackpolicy/finding"
	"stackpolicy/internal/glob"
	"stackpolicy/internal/text"
)

// WaiverSetting is one entry of the settings' waivers. Every key must be there.
type WaiverSetting struct {
	Invariant string   `yaml:"invariant"` // an id, or a glob pattern of ids
	Units     []string `yaml:"units"`     // glob patterns; host is what is about no unit
	Reason    string   `yaml:"reason"`
	Owner     string   `yaml:"owner"`
	Until     string   `yaml:"until"` // RFC 3339; from then on it waives nothing
}

// WatchesWaivers is the invariant that reports waivers that have expired. It
// is never waived, or one for everything would hide its own end.
const WatchesWaivers = "waivers_current"

const (
	maxReason = 200  // runes
	maxYear   = 2200 // Rego counts nanoseconds, which end in 2262
)

// End returns the time from which on the waiver waives nothing: the zero time if
// Until is not a time, which parsing a folder refuses.
func (w WaiverSetting) End() time.Time {
	end, _ := time.Parse(time.RFC3339, w.Until)
	return end
}

// Covers reports whether a finding of the invariant on the subject is waived
// while the waiver lasts.
func (w WaiverSetting) Covers(invariant, subject string) bool {
	if !glob.Match(w.Invariant, invariant) {
		return false
	}
	if subject == finding.Host {
		return slices.Contains(w.Units, finding.Host)
	}
	return glob.MatchAny(w.Units, subject)
}

// data is what Rego sees of it.
func (w WaiverSetting) data() map[string]any {
	return map[string]any{
		"invariant": w.Invariant, "units": texts(w.Units), "reason": w.Reason, "owner": w.Owner, "until": w.Until,
	}
}

// checkWaivers refuses waivers that lack something, and parses their end.
func (doc *settingsDoc) checkWaivers(refusal *Refusal) {
	for i := range doc.Settings.Waivers {
		w, path := &doc.Settings.Waivers[i], fmt.Sprintf("waivers.%d", i)
		doc.checkPatterns(path+".units", w.Units, refusal)
		if !soundPattern(w.Invariant) {
			doc.problem(refusal, path+".invariant", "%q is neither an invariant nor a pattern", w.Invariant)
		}
		doc.checkWords(refusal, path+".reason", w.Reason)
		doc.checkWords(refusal, path+".owner", w.Owner)
		if end := w.End(); end.IsZero() || end.Year() > maxYear {
			doc.problem(refusal, path+".until", "%q is not a time up to the year %d with a zone; want for example %s", w.Until, maxYear, timeLike(w.Until))
		}
	}
}

func (doc *settingsDoc) checkWords(refusal *Refusal, path, words string) {
	if n := utf8.RuneCountInString(words); n == 0 || n > maxReason || slices.ContainsFunc([]rune(words), unicode.IsControl) {
		doc.problem(refusal, path, "want one line of 1 to %d characters", maxReason)
	}
}

// checkInvariants refuses settings of invariants that do not exist: a misspelt
// one would wait for nothing, and waive nothing.
func (doc *settingsDoc) checkInvariants(invariants []*Invariant, refusal *Refusal) {
	var ids []string
	for _, inv := range invariants {
		ids = append(ids, inv.ID)
	}
	for id := range doc.Settings.Grace {
		if !slices.Contains(ids, id) {
			doc.problem(refusal, "grace."+id, "unknown invariant; %s", OneOf(ids))
		}
	}
	for i, w := range doc.Settings.Waivers {
		path := fmt.Sprintf("waivers.%d.invariant", i)
		matches := func(id string) bool { return glob.Match(w.Invariant, id) }
		switch {
		case w.Invariant == WatchesWaivers:
			doc.problem(refusal, path, "%s cannot be waived; remove the waivers that it reports", w.Invariant)
		case soundPattern(w.Invariant) && !slices.ContainsFunc(ids, matches):
			doc.problem(refusal, path, "unknown invariant %q; %s", w.Invariant, OneOf(ids))
		}
	}
}

// timeLike is an example of a time in place of one that is none. For a span,
// which would begin anew each time the file is read, it is what it means today.
func timeLike(s string) string {
	span, err := text.ParseSpan(s)
	if err != nil {
		return "2026-12-24T18:00:00Z"
	}
	return time.Now().Add(span).UTC().Format(time.RFC3339) + ", which is " + s + " from now"
}
