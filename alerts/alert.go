package alerts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/notify"
)

// alert returns the alert of this kind about a finding.
func (o Options) alert(kind string, s history.Occurrence) notify.Alert {
	a := notify.Alert{
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
	a.Fingerprint = o.incident(s.Finding)
	return a
}

// incident identifies what all alerts of one incident are about: the thing at fault, or the
// case if the evidence names no thing.
func (o Options) incident(f finding.Finding) string {
	object := f.Object()
	if object == "" {
		object = f.Case()
	}
	return fingerprint(o.Host, o.User, f.Invariant, f.Subject, object)
}

// steps returns the steps of the runbook, from the policies that are used now.
func (o Options) steps(f finding.Finding) []string {
	if o.Steps == nil {
		return []string{} // an alert without steps is better than no alert
	}
	return append([]string{}, o.Steps(f)...)
}

// Bounds of an alert: a service that refuses long alerts would never accept it.
const (
	maxMessage = 4 << 10 // bytes
	maxSteps   = 8 << 10 // bytes of all steps together
)

// cut shortens a message and steps that are too long.
func cut(a notify.Alert) notify.Alert {
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
