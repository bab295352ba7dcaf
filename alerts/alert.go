package alerts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
)

// Kinds of alerts.
const (
	KindFiring   = "firing"   // a finding appeared
	KindChanged  = "changed"  // it stands, and became another: worse, better, or its heal ended otherwise
	KindRepeat   = "repeat"   // it still stands
	KindResolved = "resolved" // it is gone, waived, or too small for this sink now
	KindHealed   = "healed"   // it is gone by an action of the audit
)

// Alert is what a sink is told. Its texts come from outside: unit names, paths,
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

// Firing says that the finding stands.
func (a Alert) Firing() bool { return a.Kind != KindResolved && a.Kind != KindHealed }

// Unit is the unit it is about; "" when it is about no single one.
func (a Alert) Unit() string {
	if a.Subject == finding.Host {
		return ""
	}
	return a.Subject
}

// alert tells of a standing finding.
func (o Options) alert(kind string, s history.Standing) Alert {
	a := Alert{
		Kind: kind, Invariant: s.Invariant, Subject: s.Subject, Case: s.Case(), Severity: string(s.Urgency()),
		Effect: string(s.Effect), Outcome: string(s.Outcome), Message: s.Message, Steps: o.steps(s.Finding), Runbook: s.Runbook,
		Since: s.Since, ResolvedAt: s.ResolvedAt, Host: o.Host, User: o.User,
	}
	if !a.Firing() && a.ResolvedAt == nil {
		a.ResolvedAt = &o.Now
	}
	label := a.Severity
	if !a.Firing() {
		label = kind
	}
	a.Title = fmt.Sprintf("%s: %s on %s (%s)", strings.ToUpper(label), a.Invariant, a.Subject, a.Host)
	a.Fingerprint = fingerprint(a.Host, a.User, a.Invariant, a.Subject, a.Case)
	return a
}

// steps are from the runbook of the policies in force now.
func (o Options) steps(f finding.Finding) []string {
	if o.Steps == nil {
		return []string{} // an alert without steps is better than none
	}
	return append([]string{}, o.Steps(f)...)
}

// Bounds of an alert: a service that refuses a long one would never take it.
const (
	maxMessage = 4 << 10 // bytes
	maxSteps   = 8 << 10 // bytes of all steps together
)

// cut shortens what is too long.
func (a Alert) cut() Alert {
	if len(a.Message) > maxMessage {
		a.Message = strings.ToValidUTF8(a.Message[:maxMessage], "") + "…(cut)"
	}
	size := 0
	for i, step := range a.Steps {
		if size += len(step); size > maxSteps {
			a.Steps = append(slices.Clone(a.Steps[:i]), "…(more: stackpolicy explain)")
			break
		}
	}
	return a
}

func fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}
