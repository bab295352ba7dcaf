package decide

// MayRestart reports whether the operator opted a unit in to being restarted.
func (s Settings) MayRestart(unit string) bool { return matchesAny(s.Restart, unit) }
