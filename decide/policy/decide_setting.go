package policy

import (
	"fmt"
	"slices"

	"stackpolicy/finding"
	"stackpolicy/internal/glob"
)

// DecideSetting is one entry of the settings' decide: what rules find is decided with more
// caution, or with another severity. Effect or Severity is given, or both.
type DecideSetting struct {
	Invariant string           `yaml:"invariant"` // an id, or a glob pattern of ids
	Units     []string         `yaml:"units"`     // glob patterns; host: findings that are about no unit
	Effect    finding.Effect   `yaml:"effect"`    // block, or empty: as the rule says
	Severity  finding.Severity `yaml:"severity"`  // page or ticket, or empty: as the rule says
}

// Covers reports whether the entry is about findings of the invariant on the subject.
func (d DecideSetting) Covers(invariant, subject string) bool {
	return covers(d.Invariant, d.Units, invariant, subject)
}

// covers reports whether an entry with these patterns is about an invariant and a subject.
func covers(pattern string, units []string, invariant, subject string) bool {
	if !glob.Match(pattern, invariant) && finding.CurrentID(pattern) != invariant {
		return false
	}
	if subject == finding.Host {
		return slices.Contains(units, finding.Host)
	}
	return glob.MatchAny(units, subject)
}

// data returns the entry as Rego sees it.
func (d DecideSetting) data() map[string]any {
	data := map[string]any{"invariant": d.Invariant, "units": texts(d.Units)}
	if d.Effect != "" {
		data["effect"] = string(d.Effect)
	}
	if d.Severity != "" {
		data["severity"] = string(d.Severity)
	}
	return data
}

// checkDecide refuses entries that say nothing, or that would make a finding act or not count.
func (doc *settingsDoc) checkDecide(refusal *Refusal) {
	for i, d := range doc.Settings.Decide {
		path := fmt.Sprintf("decide.%d", i)
		doc.checkPatterns(path+".units", d.Units, refusal)
		if !soundPattern(d.Invariant) {
			doc.problem(refusal, path+".invariant", "%q is neither an invariant nor a pattern", d.Invariant)
		}
		switch d.Effect {
		case "", finding.Block:
		case finding.Heal:
			doc.problem(refusal, path+".effect", "settings cannot ask for a heal; write effect: block here, or let the rule ask for it: stackpolicy policy new ID")
		case finding.Allow:
			doc.problem(refusal, path+".effect", "settings cannot allow what a rule found; write a waiver, which ends, or change the rule: stackpolicy policy new ID")
		default:
			doc.problem(refusal, path+".effect", "unknown effect %q; want block", d.Effect)
		}
		switch {
		case d.Effect == "" && d.Severity == "":
			doc.problem(refusal, path, "changes nothing; want effect: block, or severity: page or ticket")
		case d.Severity != "" && !slices.Contains(finding.DefaultSeverities(), d.Severity):
			doc.problem(refusal, path+".severity", "unknown severity %q; %s", d.Severity, OneOf(finding.DefaultSeverities()))
		}
	}
}

// checkDecided refuses entries for invariants that do not exist, and those that make alerts
// of heals that no rule asks for.
func (doc *settingsDoc) checkDecided(invariants []*Invariant, refusal *Refusal) {
	for i, d := range doc.Settings.Decide {
		path := fmt.Sprintf("decide.%d", i)
		meant, heals := false, false
		for _, inv := range invariants {
			if covers(d.Invariant, []string{finding.Host}, inv.ID, finding.Host) {
				meant, heals = true, heals || len(inv.Actions) > 0
			}
		}
		switch {
		case !soundPattern(d.Invariant):
		case !meant:
			doc.problem(refusal, path+".invariant", "unknown invariant %q; %s", d.Invariant, OneOf(idsOf(invariants)))
		case d.Effect == finding.Block && d.Severity == "" && !heals:
			doc.problem(refusal, path+".effect", "no rule of %s asks for a heal, so it is an alert already; remove the entry", d.Invariant)
		}
	}
}

func idsOf(invariants []*Invariant) []string {
	ids := make([]string, len(invariants))
	for i, inv := range invariants {
		ids[i] = inv.ID
	}
	return ids
}
