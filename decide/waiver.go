package decide

import (
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

// waive marks the findings that do not count at the time the facts are of.
// This is the one place where waivers apply: everything else reads
// [finding.Finding.Waiver]. What could not be decided is never waived.
func waive(s policy.Settings, decisions []finding.Finding, at time.Time) {
	for i := range decisions {
		d := &decisions[i]
		if d.IsAllowed() || d.IsUnknown() || d.Invariant == policy.WatchesWaivers {
			continue
		}
		for _, w := range s.Waivers {
			longer := d.Waiver == nil || w.End().After(d.Waiver.Until)
			if w.End().After(at) && longer && w.Covers(d.Invariant, d.Subject) {
				d.Waiver = &finding.Waiver{Reason: w.Reason, Owner: w.Owner, Until: w.End()}
			}
		}
	}
}
