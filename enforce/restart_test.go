package enforce

import (
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

func TestRestartRefuses(t *testing.T) {
	refusesAll(t, finding.Restart, []refusedCase{
		{name: "finding gone meanwhile", gone: true, says: "no longer asked for"},
		{name: "provenance blocked", says: "not in order (file_declared): a foreign file",
			beside: []finding.Finding{block("provenance", "web.service", "page")}},
		{name: "provenance undecided for all", says: "not in order (file_declared)",
			beside: []finding.Finding{block("provenance", "host", "unknown")}},
		{name: "stopped", says: "web.service is inactive: a stopped unit is never started",
			unit: func(u *facts.Unit) { u.Loaded.ActiveState = "inactive" }},
		{name: "failed", says: "web.service is failed", unit: func(u *facts.Unit) { u.Loaded.ActiveState = "failed" }},
		{name: "on its way up", says: "is activating", unit: func(u *facts.Unit) { u.Loaded.ActiveState = "activating" }},
		{name: "not opted in", subject: "files.service", says: "files.service is not opted in; list it under settings.restart",
			doc: func(d *facts.Document) {
				u := web()
				u.Name = "files.service"
				d.Units = append(d.Units, u)
			}},
		{name: "unmanaged", says: "is not a managed unit", unit: func(u *facts.Unit) { u.ManagedBy = "" }},
		{name: "held", says: "web.service is held until 2100-01-01T00:00:00Z: new disk",
			unit: func(u *facts.Unit) {
				u.History = &facts.History{Exemptions: []facts.Exemption{{Reason: "new disk", Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}}}
			}},
		{name: "unheard of", subject: "nowhere.service", says: "is not a managed unit"},
		{name: "the host", subject: "host", says: "host is not a managed unit"},
	})
}
