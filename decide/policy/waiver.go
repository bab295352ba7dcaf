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

// WaiverSetting is one entry of the settings' waivers. Every key is required.
type WaiverSetting struct {
	Invariant string   `yaml:"invariant"` // an id, or a glob pattern of ids
	Units     []string `yaml:"units"`     // glob patterns; host: findings that are about no unit
	Reason    string   `yaml:"reason"`
	Owner     string   `yaml:"owner"`
	Until     string   `yaml:"until"` // RFC 3339; after that it waives nothing
}

// WatchesWaivers is the invariant that reports waivers that have expired. It is never
// waived: otherwise a waiver of everything would hide its own end.
const WatchesWaivers = "waivers_current"

const (
	maxReason = 200  // runes
	maxYear   = 2200 // Rego counts nanoseconds, which end in 2262
)

// End returns the time at which the waiver ends: the zero time if Until is not a time, which
// is refused when a folder is parsed.
func (w WaiverSetting) End() time.Time {
	end, _ := time.Parse(time.RFC3339, w.Until)
	return end
}

// Covers reports whether the waiver applies to a finding of the invariant on the subject.
func (w WaiverSetting) Covers(invariant, subject string) bool {
	return covers(w.Invariant, w.Units, invariant, subject)
}

// data returns the waiver as Rego sees it.
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
			doc.problem(refusal, path+".until", "%q is not a time up to the year %d with a zone; want for example %s", w.Until, maxYear, text.TimeLike(w.Until, time.Now()))
		}
	}
}

func (doc *settingsDoc) checkWords(refusal *Refusal, path, words string) {
	if n := utf8.RuneCountInString(words); n == 0 || n > maxReason || slices.ContainsFunc([]rune(words), unicode.IsControl) {
		doc.problem(refusal, path, "want one line of 1 to %d characters", maxReason)
	}
}

// checkInvariants refuses settings for invariants that do not exist: with a misspelt name
// they would have no effect.
func (doc *settingsDoc) checkInvariants(invariants []*Invariant, refusal *Refusal) {
	ids := idsOf(invariants)
	doc.checkDecided(invariants, refusal)
	for id := range doc.Settings.Grace {
		if !slices.Contains(ids, id) && !slices.Contains(ids, finding.CurrentID(id)) {
			doc.problem(refusal, "grace."+id, "unknown invariant; %s", OneOf(ids))
		}
	}
	for i, w := range doc.Settings.Waivers {
		path := fmt.Sprintf("waivers.%d.invariant", i)
		matches := func(id string) bool { return glob.Match(w.Invariant, id) || id == finding.CurrentID(w.Invariant) }
		switch {
		case w.Invariant == WatchesWaivers:
			doc.problem(refusal, path, "%s cannot be waived; remove the waivers that it reports", w.Invariant)
		case soundPattern(w.Invariant) && !slices.ContainsFunc(ids, matches):
			doc.problem(refusal, path, "unknown invariant %q; %s", w.Invariant, OneOf(ids))
		}
	}
}
