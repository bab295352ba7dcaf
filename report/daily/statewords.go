package daily

import (
	"stackpolicy/finding"
	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// classOf returns the CSS class of a state.
func classOf(s timeline.State) string { return look.Class(s) }

// stateWord names a state.
func stateWord(s timeline.State) string {
	return [...]string{"in order", "not observed", "ticket", "unknown", "page"}[s]
}

// wordOf returns the word before a finding in a list.
func wordOf(f finding.Finding) string {
	s := timeline.Of(f)
	switch {
	case f.Waiver != nil:
		return "WAIVED"
	case f.Effect == finding.Heal && s == timeline.Ticket:
		return "HEAL"
	}
	return [...]string{"", "", "TICKET", "UNKNOWN", "PAGE"}[s]
}
