package gate

import (
	"fmt"
	"slices"
	"strings"

	"stackpolicy/facts"
)

// Waiting is something that has not settled yet.
type Waiting struct {
	Subject string `json:"subject" jsonschema:"a unit's name, or host"`
	Reason  string `json:"reason" jsonschema:"such as: is starting"`
	// lasts says that it may go on for days: it is not waited for if it was there before.
	lasts bool
}

// String returns a sentence.
func (w Waiting) String() string {
	if w.Subject == HostWaits {
		return w.Reason
	}
	return w.Subject + " " + w.Reason
}

// HostWaits is the subject of what no single unit waits for.
const HostWaits = "host"

// What may go on for days.
const (
	notActivated = "the generation of the running system is not activated yet"
	nextRestart  = "waits for its next restart"
)

// ownUnits run this program: what they do is no part of a change.
var ownUnits = []string{"stackpolicy-audit.service", "stackpolicy-watch.service", "stackpolicy-alerts.service"}

// Unsettled returns what is still going on in a snapshot, so that a verdict on it may be
// another one soon: an activation, jobs, units that start, stop or wait for their next
// restart, containers whose health is not known yet. except names units that are not waited
// for, such as the one in which this program runs. Neither is a unit that only a timer
// starts, because a backup may take hours.
func Unsettled(doc *facts.Document, except ...string) []Waiting {
	list := []Waiting{}
	add := func(subject, reason string) {
		lasts := reason == notActivated || reason == nextRestart
		list = append(list, Waiting{subject, reason, lasts})
	}
	if m := doc.Manager; m != nil && slices.Contains([]string{"initializing", "starting"}, m.State) {
		add(HostWaits, "the user manager is starting")
	}
	if d := doc.Declared; d != nil {
		switch service := d.Activation.Service; {
		case d.Activation.State == "running":
			add(HostWaits, "an activation is running")
		case service != nil && service.Generation != "" && !service.IsCurrent && d.Activation.State == "current":
			add(HostWaits, notActivated)
		}
	}
	for _, u := range doc.Units {
		if u.ManagedBy == "" || slices.Contains(ownUnits, u.Name) || slices.Contains(except, u.Name) {
			continue
		}
		if reason := unsettled(u); reason != "" {
			add(u.Name, reason)
		}
	}
	return list
}

// unsettled says what a unit is still doing; "" for nothing.
func unsettled(u facts.Unit) string {
	if u.Applied != nil && u.Applied.Busy {
		return "is being applied or stopped by stackctl"
	}
	if l := u.Loaded; l != nil && !isTimers(*l) {
		switch {
		case strings.HasPrefix(l.SubState, "auto-restart"):
			return nextRestart
		case l.ActiveState == "activating":
			return "is starting"
		case l.ActiveState == "deactivating":
			return "is stopping"
		case l.ActiveState == "reloading" || l.ActiveState == "refreshing":
			return "is reloading"
		case l.Job != "":
			return fmt.Sprintf("has a %s job", l.Job)
		}
	}
	for _, c := range u.Containers {
		switch {
		case c.State == "running" && c.Health == "starting" && !(c.Check != nil && c.Check.Overdue):
			return fmt.Sprintf("has the container %s, whose health check has no result yet", c.Name)
		case c.State == "stopping" || c.State == "removing":
			return fmt.Sprintf("has the container %s, which is %s", c.Name, c.State)
		}
	}
	return ""
}

// unseen says why the manager says nothing about any managed unit; "" if it does about one.
func unseen(o Observation) string {
	for _, u := range o.Document.Units {
		if u.ManagedBy != "" && u.Loaded != nil {
			return ""
		}
	}
	if len(o.Report.Gaps) > 0 {
		return o.Report.Gaps[0].Error
	}
	return "none is loaded"
}

// isTimers reports whether only a timer starts the unit.
func isTimers(l facts.Loaded) bool {
	byTimer := slices.ContainsFunc(l.TriggeredBy, func(name string) bool { return strings.HasSuffix(name, ".timer") })
	return byTimer && len(l.WantedBy) == 0
}

// restarts counts the restarts of managed units and their containers: a unit that is up
// again and again has not settled.
func restarts(doc *facts.Document) (n int) {
	for _, u := range doc.Units {
		if u.ManagedBy == "" {
			continue
		}
		if u.Loaded != nil {
			n += u.Loaded.Restarts
		}
		for _, c := range u.Containers {
			n += c.Restarts
		}
	}
	return n
}
