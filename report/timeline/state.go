package timeline

import "stackpolicy/finding"

// State is the state of a subject for a while, the better ones first. Unseen is
// worse than in order: if both apply, the doubt shows.
type State int

// The states.
const (
	InOrder State = iota
	Unseen        // no audit ran, or the unit was not managed
	Ticket
	Unknown // an audit could not collect or decide
	Page

	States // how many there are
)

// Of returns the state in which an open finding puts its subject. A waived
// finding does not count.
func Of(f finding.Finding) State {
	if f.Waiver != nil {
		return InOrder
	}
	switch f.Urgency() {
	case finding.Page:
		return Page
	case finding.Unknown:
		return Unknown
	}
	return Ticket
}
