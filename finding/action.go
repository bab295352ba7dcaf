package finding

import "slices"

// Action names what a heal does.
type Action string

// Actions.
const (
	DaemonReload Action = "daemon-reload"
	ResetFailed  Action = "reset-failed"
	Restart      Action = "restart"
)

// actions are all actions that rules can ask for, in the order in which they run: a
// reload comes first, because it can change the state of units. Package enforce has one
// file for each.
var actions = []struct {
	name        Action
	managerWide bool // it acts on the user manager as a whole, once for all findings
}{
	{DaemonReload, true},
	{ResetFailed, false},
	{Restart, false},
}

// Actions lists every action, in the order in which they run.
func Actions() []Action {
	names := make([]Action, len(actions))
	for i, a := range actions {
		names[i] = a.name
	}
	return names
}

// IsManagerWide reports whether the action acts on the user manager as a whole,
// and not on one unit. An unknown action does not.
func (a Action) IsManagerWide() bool {
	i := slices.Index(Actions(), a)
	return i >= 0 && actions[i].managerWide
}

// Target returns the subject of the action for a finding on the given subject: [Host] for
// a manager-wide action, otherwise the same subject.
func (a Action) Target(subject string) string {
	if a.IsManagerWide() {
		return Host
	}
	return subject
}
