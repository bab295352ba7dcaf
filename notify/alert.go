// Package notify sends alerts to people and their tools. Each sink is a file: its
// part of config.yaml, with defaults and checks, and how it sends.
//
// Start at [Config], which has a row for each sink, and [Config.Routes].
package notify

import (
	"context"
	"time"

	"stackpolicy/finding"
)

// Kinds of alerts.
const (
	KindFiring   = "firing"   // a finding appeared
	KindChanged  = "changed"  // an open finding changed: worse, better, or its heal ended otherwise
	KindRepeat   = "repeat"   // a finding is still open
	KindResolved = "resolved" // a finding is gone, waived, or no longer severe enough for this sink
	KindHealed   = "healed"   // an action of the audit ended a finding
)

// Alert is what a sink sends. Its texts come from outside: unit names, paths,
// the words of rules. They are plain strings, for templates that people write.
type Alert struct {
	Kind        string     `json:"kind"`
	Title       string     `json:"title"` // one line: how bad, what, where
	Invariant   string     `json:"invariant"`
	Subject     string     `json:"subject"` // a unit's name, or host
	Case        string     `json:"case"`
	Severity    string     `json:"severity"` // page, ticket or unknown
	Effect      string     `json:"effect"`
	Outcome     string     `json:"outcome"`
	Message     string     `json:"message"`
	Steps       []string   `json:"steps"` // what to do, the first thing first
	Runbook     string     `json:"runbook"`
	Since       time.Time  `json:"since"`
	ResolvedAt  *time.Time `json:"resolved_at"`
	Host        string     `json:"host"`
	User        string     `json:"user"`
	Fingerprint string     `json:"fingerprint"` // the same for all alerts of one finding on one host
}

// Firing reports whether the finding is open.
func (a Alert) Firing() bool { return a.Kind != KindResolved && a.Kind != KindHealed }

// Unit returns the unit that the alert is about; "" if it is not about one.
func (a Alert) Unit() string {
	if a.Subject == finding.Host {
		return ""
	}
	return a.Subject
}

// Checker is a sink that can know without sending that it cannot send: a secret is missing.
type Checker interface{ Check() error }

// Sink sends alerts. Its name is kept in the history and must not change. An
// error of Send contains no secret.
type Sink interface {
	Name() string
	Send(context.Context, Alert) error
}
