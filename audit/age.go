package audit

import (
	"fmt"
	"time"

	"stackpolicy/internal/text"
)

// Recorded facts are about now within these bounds. The clocks of two machines
// may differ by the second one.
const (
	maxOld   = 15 * time.Minute
	maxAhead = time.Minute
)

// IsAboutNow reports whether facts that were collected at a time describe the
// system as it is now: they are at most 15 minutes old, and from the future by a
// minute at most.
func IsAboutNow(collected, now time.Time) bool {
	age := now.Sub(collected)
	return age <= maxOld && age >= -maxAhead
}

// tooOld is the gap of facts that are older than limit, or from the future; nil
// where they are neither. A limit of 0 takes facts of any time.
func tooOld(collected, now time.Time, limit time.Duration) []Gap {
	age := now.Sub(collected)
	switch {
	case limit == 0:
		return nil
	case age < -maxAhead:
		return []Gap{{"age", fmt.Sprintf("the facts are from the future, by %s: a clock is wrong", text.Elapsed(-age))}}
	case age > limit:
		return []Gap{{"age", fmt.Sprintf("the facts are %s old; --max-age allows %s", text.Elapsed(age), text.Brief(limit))}}
	}
	return nil
}
