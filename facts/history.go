package facts

import "time"

// Memory is what earlier audits saw and did. A snapshot includes it, so that
// rules can use it.
type Memory struct {
	Since    time.Time            `json:"since" jsonschema:"when the history begins"`
	Audits   int                  `json:"audits" jsonschema:"how many audits there were since then"`
	Gone     map[string]time.Time `json:"gone,omitempty" jsonschema:"when units were found gone that were managed before, neither on disk nor in the manager's memory"`
	Subjects map[string]History   `json:"subjects" jsonschema:"history of each unit, by name, and of the host, as host; other units have no history"`
}

// Of returns the history of a subject, which may be empty.
func (m Memory) Of(subject string) History {
	h := m.Subjects[subject]
	if h.Findings == nil {
		h.Findings = []OpenFinding{}
	}
	if h.Heals == nil {
		h.Heals = []HealCount{}
	}
	if h.Exemptions == nil {
		h.Exemptions = []Exemption{}
	}
	return h
}

// History is the history of one unit, or of the host.
type History struct {
	Findings []OpenFinding `json:"findings" jsonschema:"findings that were open at the last audit, by invariant and case"`
	Heals    []HealCount   `json:"heals" jsonschema:"actions of the last 24 hours, by action, invariant and case"`
	Breaker  *Breaker      `json:"breaker,omitempty" jsonschema:"present while heals are held back"`
	Load     *Load         `json:"load,omitempty" jsonschema:"what the manager is known to have loaded; absent when that is not known"`
	// Exemptions that have ended are kept for a week.
	Exemptions []Exemption `json:"exemptions" jsonschema:"holds and waivers, and those that ended within the last week"`
}

// HostHistory is the history of the host.
type HostHistory struct {
	Since      time.Time     `json:"since" jsonschema:"when the history begins"`
	Findings   []OpenFinding `json:"findings" jsonschema:"findings that were open at the last audit, by invariant and case"`
	Heals      []HealCount   `json:"heals" jsonschema:"actions of the last 24 hours, by action, invariant and case"`
	Breaker    *Breaker      `json:"breaker,omitempty" jsonschema:"present while manager-wide heals are held back"`
	Exemptions []Exemption   `json:"exemptions" jsonschema:"waivers made by commands, and those that ended within the last week"`
	// Others have no place among the document's units.
	Others map[string]History `json:"others,omitempty" jsonschema:"history of units that are not managed and on which actions ran, or are held back, by name: failed units without a file; absent without any"`
}

// OpenFinding is a finding that was open at the last audit.
type OpenFinding struct {
	Invariant string    `json:"invariant"`
	Case      string    `json:"case" jsonschema:"case of its evidence, or empty"`
	Since     time.Time `json:"since" jsonschema:"when an audit first saw it"`
}

// HealCount counts the runs of one action. Without an invariant it counts all runs on
// the subject. With an invariant it counts the runs, on any subject, that this subject's
// findings of that invariant and case asked for.
type HealCount struct {
	Action    string    `json:"action" jsonschema:"daemon-reload, reset-failed or restart"`
	Invariant string    `json:"invariant" jsonschema:"that asked for it; empty for all runs on the subject"`
	Case      string    `json:"case" jsonschema:"case of the finding that asked for it; empty for all runs, or when it has none"`
	Tried1h   int       `json:"tried_1h" jsonschema:"started in the last hour, with any result"`
	Tried24h  int       `json:"tried_24h" jsonschema:"started in the last 24 hours, with any result"`
	Healed1h  int       `json:"healed_1h" jsonschema:"after which the findings were gone, in the last hour"`
	Healed24h int       `json:"healed_24h" jsonschema:"after which the findings were gone, in the last 24 hours"`
	Failed24h int       `json:"failed_24h" jsonschema:"that failed, were interrupted or healed nothing, in the last 24 hours"`
	Last      time.Time `json:"last" jsonschema:"when the last one was started"`
	Drifts    []Drift   `json:"drifts,omitempty" jsonschema:"the drifts that the last runs healed, newest first, five at most; absent without an invariant, and while fewer than three were healed in the last 24 hours"`
}

// Drift is one time at which what was healed had become wrong.
type Drift struct {
	At    *time.Time `json:"at,omitempty" jsonschema:"newest change of a file of the unit before a daemon-reload; when it or its container last ended before a restart; absent when that is not known"`
	After []string   `json:"after" jsonschema:"what began within the minute before it, and not within the minute before most other audits: timers that started a service, services, home-manager for an activation, or packages for a change of packages"`
}

// Exemption is a waiver or a hold. Commands make both, and the configuration can declare
// holds. A hold is planned maintenance: it covers findings about whether the unit runs, and no action is run on
// the unit.
type Exemption struct {
	Invariant string    `json:"invariant" jsonschema:"what is waived; empty for a hold"`
	Reason    string    `json:"reason"`
	Owner     string    `json:"owner"`
	Since     time.Time `json:"since" jsonschema:"when the command was run; the zero time if the configuration declares it"`
	Until     time.Time `json:"until" jsonschema:"from then on it covers nothing"`
	Declared  bool      `json:"declared,omitempty" jsonschema:"the configuration declares it"`
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

// Breaker means that a subject is not healed for a while.
type Breaker struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// Load has the files of a unit that the manager is known to have loaded.
type Load struct {
	LoadedAt time.Time    `json:"loaded_at" jsonschema:"the manager's loaded_at for which the digests are true"`
	Files    []LoadedFile `json:"files" jsonschema:"files that are known to be loaded with these digests, by path; nothing is known of other files"`
}

// LoadedFile is a file as the manager loaded it.
type LoadedFile struct {
	Path   string `json:"path"`
	Digest string `json:"digest" jsonschema:"sha256:… of the content that is loaded"`
}
