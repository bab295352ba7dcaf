package notify

import (
	"errors"

	"stackpolicy/internal/journal"
)

// MessageCouldNotBegin is the message id of this entry, a promise as those of alerts are.
const MessageCouldNotBegin = "375ffe3962144588954c8bb25691173c"

// CouldNotBegin writes to the journal that an audit could not begin, with the
// priority of a result that is unknown. Other sinks are not used: perhaps the
// configuration that names them is broken. Without a journal it does nothing.
func CouldNotBegin(reason string) error { return couldNotBegin(journal.Send, reason) }

func couldNotBegin(send func(journal.Entry) error, reason string) error {
	err := send(journal.Entry{
		MessageID: MessageCouldNotBegin, Priority: journal.Warning,
		Message:  "UNKNOWN: the audit could not begin, so nothing is known\n" + reason + "\nnext: correct that, then run `stackpolicy eval`",
		UserUnit: "stackpolicy-audit.service",
		Fields: map[string]string{
			"STACKPOLICY_KIND": "could-not-begin", "STACKPOLICY_SUBJECT": "host", "STACKPOLICY_SEVERITY": "unknown",
			"STACKPOLICY_FINDING": reason,
		},
	})
	if errors.Is(err, journal.ErrNoJournal) {
		return nil
	}
	return err
}
