package policy

import "stackpolicy/internal/glob"

// MayRestart reports whether the settings allow restarts of the unit.
func (s Settings) MayRestart(unit string) bool { return glob.MatchAny(s.Restart, unit) }
