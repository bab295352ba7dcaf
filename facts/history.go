package facts

import "time"

// Memory is what earlier audits saw and did. A snapshot includes it, so that
// rules can use it.
type Memory struct {
	Since    time.Time          `json:"since" jsonschema:"when the memory begins; it knows nothing of what was before"`
	Audits   int                `json:"audits" jsonschema:"how many audits it has seen since"`
	Subjects map[string]History `json:"subjects" jsonschema:"what is remembered of units, by name, and of the host, as host; nothing is remembered of the others"`
}

// Of is what is remembered of a subject, which may be nothing.
func (m Memory) Of(subject string) History {
	h := m.Subjects[subject]
	if h.Findings == nil {
		h.Findings = []StandingFinding{}
	}
	if h.Heals == nil {
		h.Heals = []HealCount{}
	}
	if h.Exemptions == nil {
		h.Exemptions = []Exemption{}
	}
	return h
}

// History is what is remembered of one unit, or of the host.
type History struct {
	Findings []StandingFinding `json:"findings" jsonschema:"what stood at the last audit, by invariant and case"`
	Heals    []HealCount       `json:"heals" jsonschema:"actions of the last 24 hours, by action, invariant and case"`
	Breaker  *Breaker          `json:"breaker,omitempty" jsonschema:"heals are held back; absent when they are not"`
	Load     *Load             `json:"load,omitempty" jsonschema:"what the manager is known to have loaded; absent when that is not known"`
	// Exemptions that have ended are kept for a week.
	Exemptions []Exemption `json:"exemptions" jsonschema:"holds and waivers by command; those that ended within a week are here too"`
}

// HostHistory is what is remembered of the host.
type HostHistory struct {
	Since      time.Time         `json:"since" jsonschema:"when the memory begins; it knows nothing of what was before"`
	Findings   []StandingFinding `json:"findings" jsonschema:"what stood at the last audit, by invariant and case"`
	Heals      []HealCount       `json:"heals" jsonschema:"actions of the last 24 hours, by action, invariant and case"`
	Breaker    *Breaker          `json:"breaker,omitempty" jsonschema:"manager-wide heals are held back; absent when they are not"`
	Exemptions []Exemption       `json:"exemptions" jsonschema:"waivers by command; those that ended within a week are here too"`
}

// StandingFinding is a finding that stood at the last audit.
type StandingFinding struct {
	Invariant string    `json:"invariant"`
	Case      string    `json:"case" jsonschema:"case of its evidence, or empty"`
	Since     time.Time `json:"since" jsonschema:"when an audit first saw it"`
}

// HealCount counts one action. Those without an invariant count every run of
// the action on the subject; those with one count the runs, on whatever
// subject, that this subject's findings of that invariant and case asked for.
type HealCount struct {
	Action    string    `json:"action" jsonschema:"daemon-reload, reset-failed or restart"`
	Invariant string    `json:"invariant" jsonschema:"that asked for it; empty for all runs on the subject"`
	Case      string    `json:"case" jsonschema:"case of the finding that asked for it; empty for all runs, or when it has none"`
	Tried1h   int       `json:"tried_1h" jsonschema:"begun in the last hour, whatever became of them"`
	Tried24h  int       `json:"tried_24h" jsonschema:"begun in the last 24 hours, whatever became of them"`
	Healed1h  int       `json:"healed_1h" jsonschema:"after which the findings were gone, in the last hour"`
	Healed24h int       `json:"healed_24h" jsonschema:"after which the findings were gone, in the last 24 hours"`
	Failed24h int       `json:"failed_24h" jsonschema:"that failed, were cut short or healed nothing, in the last 24 hours"`
	Last      time.Time `json:"last" jsonschema:"when the last one was begun"`
}

// Exemption is a waiver or a hold that was made by a command. A hold is planned
// maintenance: it covers what is about running, and nothing acts on the unit.
type Exemption struct {
	Invariant string    `json:"invariant" jsonschema:"what is waived; empty for a hold"`
	Reason    string    `json:"reason"`
	Owner     string    `json:"owner"`
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until" jsonschema:"from then on it covers nothing"`
}

// IsHold reports whether it is a hold, not a waiver.
func (e Exemption) IsHold() bool { return e.Invariant == "" }

// HeldAt returns the hold that is in force at the time; nil without one.
func (h History) HeldAt(now time.Time) *Exemption {
	for i := range h.Exemptions {
		if e := &h.Exemptions[i]; e.IsHold() && e.Until.After(now) {
			return e
		}
	}
	return nil
}

// Breaker holds heals of a subject back for a while.
type Breaker struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// Load is what the manager is known to have loaded of a unit.
type Load struct {
	LoadedAt time.Time    `json:"loaded_at" jsonschema:"the manager's loaded_at that the digests belong to"`
	Files    []LoadedFile `json:"files" jsonschema:"files known to be loaded as these digests say, by path; others are not known"`
}

// LoadedFile is a file as it was when the manager loaded it.
type LoadedFile struct {
	Path   string `json:"path"`
	Digest string `json:"digest" jsonschema:"sha256:… of the content that is loaded"`
}
