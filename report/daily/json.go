package daily

import (
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
)

// Schemas of what status and history write as JSON.
const (
	StatusSchema  = "stackpolicy.status/v1"
	HistorySchema = "stackpolicy.history/v1"
)

// auditJSON is a run of audits with one result.
type auditJSON struct {
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Audits     int       `json:"audits"`
	Mode       string    `json:"mode"`
	ExitCode   int       `json:"exit_code"`
	Policy     string    `json:"policy"`
	Document   string    `json:"document"` // "" if it is no longer kept
	DurationMS int64     `json:"duration_ms"`
	Gaps       []string  `json:"gaps"`
}

func auditOf(s history.AuditSpan) auditJSON {
	return auditJSON{s.From, s.To, s.Count, s.Mode, s.ExitCode, s.PolicyDigest, s.DocumentDigest, s.DurationMS, list(s.Gaps)}
}

// findingJSON is a finding over time.
type findingJSON struct {
	ID int64 `json:"id"`
	history.StoredFinding
	Since      time.Time  `json:"since"`
	LastSeen   time.Time  `json:"last_seen"`
	ResolvedAt *time.Time `json:"resolved_at"` // null while it is open
}

func findingOf(s history.Occurrence) findingJSON {
	return findingJSON{s.ID, history.Stored(s.Finding), s.Since, s.LastSeen, s.ResolvedAt}
}

// actionJSON is an action that began.
type actionJSON struct {
	ID         int64            `json:"id"`
	At         time.Time        `json:"at"`
	Action     finding.Action   `json:"action"`
	Subject    string           `json:"subject"`
	Reasons    []history.Reason `json:"reasons"`
	Status     string           `json:"status"`
	Healed     *bool            `json:"healed"` // null: not verified
	Message    string           `json:"message"`
	DurationMS int64            `json:"duration_ms"`
	Before     string           `json:"before"`
	After      string           `json:"after"`
}

func actionOf(a history.Action) actionJSON {
	return actionJSON{a.ID, a.At, a.Action, a.Subject, list(a.Reasons), a.Status, a.Healed, a.Message, a.DurationMS, a.Before, a.After}
}

// list is never nil, so that JSON has [] for an empty list.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// each converts every element of a list.
func each[A, B any](from []A, form func(A) B) []B {
	to := make([]B, len(from))
	for i, a := range from {
		to[i] = form(a)
	}
	return to
}
