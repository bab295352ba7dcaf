package notify

import (
	"context"
	"errors"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/internal/journal"
)

// Message ids of the journal's entries (systemd.journal-fields(7)). They are
// promises to users; units/stackpolicy.catalog explains them.
const (
	MessagePage       = "9260a5200a3549edbe4d441250ac0faa"
	MessageTicket     = "fb5c46d99ff743c68af249bdd8c8ada3"
	MessageUnknown    = "39b5088daf0d41c18b76f5672afb1839"
	MessageResolved   = "35f167d5a86f43ec9bd467d9c841c65c"
	MessageHealed     = "cbaab0791e0c458f80d543affdf29f34"
	MessageHealFailed = "f95959b7dbb14a3ab806cff7d6f15a33"
)

// Journal is the configuration of the journal.
type Journal struct {
	Selection `yaml:",inline"`
}

func (j Journal) selection() Selection { return j.or(SeverityTicket, 24*time.Hour) }

func (j Journal) check() []error {
	return j.selection().checkOneOf(SeverityPage, SeverityTicket, SeverityNone)
}

func (j Journal) routes(Environment) ([]Route, error) {
	if j.Severity == SeverityNone {
		return nil, nil
	}
	return []Route{{Sink: toJournal{journal.Send}, Selection: j.selection(), Heals: true}}, nil
}

// toJournal writes alerts to the journal. The log of the unit that an alert is
// about shows it too.
type toJournal struct{ send func(journal.Entry) error }

func (toJournal) Name() string { return "journal" }

// Send does not wait for ctx: writing to the journal takes at most a second. On a
// machine without a journal it does nothing.
func (j toJournal) Send(_ context.Context, a Alert) error {
	if err := j.send(entry(a)); !errors.Is(err, journal.ErrNoJournal) {
		return err
	}
	return nil
}

func entry(a Alert) journal.Entry {
	id, priority := classify(a)
	return journal.Entry{
		MessageID: id, Priority: priority, Message: text(a), UserUnit: a.Unit(),
		Fields: map[string]string{
			"STACKPOLICY_KIND": a.Kind, "STACKPOLICY_INVARIANT": a.Invariant, "STACKPOLICY_SUBJECT": a.Subject,
			"STACKPOLICY_CASE": a.Case, "STACKPOLICY_SEVERITY": a.Severity, "STACKPOLICY_FINDING": a.Message,
			"STACKPOLICY_STEPS": strings.Join(a.Steps, "\n"), "STACKPOLICY_SINCE": a.Since.UTC().Format(time.RFC3339),
			"STACKPOLICY_RUNBOOK": a.Runbook, "STACKPOLICY_FINGERPRINT": a.Fingerprint,
		},
	}
}

// classify returns the message id and the priority of an alert's entry.
func classify(a Alert) (id string, priority int) {
	switch {
	case a.Kind == KindHealed:
		return MessageHealed, journal.Notice
	case a.Kind == KindResolved:
		return MessageResolved, journal.Notice
	case a.Outcome == string(finding.HealFailed):
		return MessageHealFailed, journal.Critical
	case a.Severity == string(finding.Page):
		return MessagePage, journal.Critical
	case a.Severity == string(finding.Unknown):
		return MessageUnknown, journal.Warning
	}
	return MessageTicket, journal.Warning
}

// text returns an alert for a person: what is wrong, and the first step.
func text(a Alert) string {
	lines := []string{a.Title, a.Message}
	if a.Firing() {
		lines = append(lines, "since "+a.Since.UTC().Format(time.RFC3339))
	}
	if a.Firing() && len(a.Steps) > 0 {
		lines = append(lines, "next: "+a.Steps[0])
	}
	return strings.Join(lines, "\n")
}
