package daily

import "stackpolicy/finding"

// state is what a subject was in for a while, better ones first. Not looked at
// is worse than in order: where both stand side by side, the doubt shows.
type state int

const (
	inOrder state = iota
	unlooked
	ticket
	unknown
	page
	states
)

func (s state) class() string { return [...]string{"ok", "none", "ticket", "unknown", "page"}[s] }

func (s state) word() string {
	return [...]string{"in order", "not looked at", "ticket", "unknown", "page"}[s]
}

// stateOf is what a finding puts its subject in. A waived one does not count.
func stateOf(f finding.Finding) state {
	if f.Waiver != nil {
		return inOrder
	}
	switch f.Urgency() {
	case finding.Page:
		return page
	case finding.Unknown:
		return unknown
	}
	return ticket
}

// wordOf is what stands before a finding in a list.
func wordOf(f finding.Finding) string {
	s := stateOf(f)
	switch {
	case f.Waiver != nil:
		return "WAIVED"
	case f.Effect == finding.Heal && s == ticket:
		return "HEAL"
	}
	return [...]string{"", "", "TICKET", "UNKNOWN", "PAGE"}[s]
}
