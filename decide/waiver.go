package decide

import (
	"time"

	"stackpolicy/decide/policy"
)

// Waiver is why a finding does not count, who says so, and until when.
type Waiver struct {
	Reason string    `json:"reason"`
	Owner  string    `json:"owner"`
	Until  time.Time `json:"until"`
}

// waive marks the findings that do not count at the time the facts are of.
// This is the one place where waivers apply: whoever comes after looks at
// [Decision.Waiver]. What could not be decided is never waived.
func waive(s policy.Settings, decisions []Decision, at time.Time) {
	for i := range decisions {
		d := &decisions[i]
		if d.Effect == policy.EffectAllow || d.Severity == policy.SeverityUnknown || d.Invariant == policy.WatchesWaivers {
			continue
		}
		for _, w := range s.Waivers {
			longer := d.Waiver == nil || w.End().After(d.Waiver.Until)
			if w.End().After(at) && longer && w.Covers(d.Invariant, d.Subject) {
				d.Waiver = &Waiver{Reason: w.Reason, Owner: w.Owner, Until: w.End()}
			}
		}
	}
}
