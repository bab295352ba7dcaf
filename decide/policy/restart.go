package policy

import "stackpolicy/internal/glob"

// MayRestart reports whether the operator opted a unit in to being restarted.
func (s Settings) MayRestart(unit string) bool { return glob.MatchAny(s.Restart, unit) }
