package daily

import (
	"strings"

	"stackpolicy/facts"
)

// Auditor is what starts audits on a host.
type Auditor string

const (
	ByWatch  Auditor = "watch" // stackpolicy-watch.service, also if the timer is on too
	ByTimer  Auditor = "timer" // stackpolicy-audit.timer
	ByNobody Auditor = "nobody"
)

// auditorOf returns what started audits when a document was collected; "" if that is not
// known. The invariant audit_timer_active reports when it is not as it should be.
func auditorOf(doc *facts.Document) Auditor {
	switch {
	case doc == nil || doc.Manager == nil:
		return ""
	case doc.Manager.Watch != nil && isWatching(*doc.Manager.Watch):
		return ByWatch
	case doc.Manager.AuditTimer.ActiveState == "active" && doc.Manager.AuditTimer.SubState != "elapsed":
		return ByTimer
	}
	return ByNobody
}

// isWatching: the watch audits also before it is ready, and while it reads its configuration
// again.
func isWatching(watch facts.Activity) bool {
	switch watch.ActiveState {
	case "active", "reloading", "refreshing":
		return true
	}
	return watch.ActiveState == "activating" && !strings.HasPrefix(watch.SubState, "auto-restart")
}

// words says it after the time of an audit.
func (a Auditor) words() string {
	switch a {
	case ByWatch:
		return "; the watch starts audits"
	case ByTimer:
		return "; the timer starts audits"
	case ByNobody:
		return "; nothing starts audits"
	}
	return ""
}
