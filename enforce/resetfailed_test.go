package enforce

import (
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

func TestResetFailedRefuses(t *testing.T) {
	refusesAll(t, finding.ResetFailed, []refusedCase{
		{name: "no failed unit", says: "web.service is not failed"},
		{name: "not loaded", says: "web.service is not failed", unit: func(u *facts.Unit) { u.Loaded = nil }},
		{name: "unmanaged, with a file", says: "neither managed nor a failed unit without a file",
			unit: func(u *facts.Unit) { u.ManagedBy, u.Loaded.ActiveState = "", "failed" }},
		{name: "held", says: "web.service is held until 2100-01-01T00:00:00Z: new disk",
			unit: func(u *facts.Unit) {
				u.Loaded.ActiveState = "failed"
				u.History = &facts.History{Exemptions: []facts.Exemption{{Reason: "new disk", Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}}}
			}},
		{name: "unheard of", subject: "nowhere.service", says: "neither managed nor"},
		{name: "provenance blocked", says: "not in order (file_declared): a foreign file",
			unit:   func(u *facts.Unit) { u.Loaded.ActiveState = "failed" },
			beside: []finding.Finding{block("provenance", "web.service", "ticket")}},
	})
}
