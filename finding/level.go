package finding

// Level is how bad things are, as monitoring plugins count it. Levels are
// ordered: a higher one is worse.
type Level int

// Levels, the best first.
const (
	LevelOK       Level = iota // every invariant holds, healed ones included
	LevelWarning               // tickets, or heals that were not done
	LevelUnknown               // facts could not be collected or judged, or nothing is managed
	LevelCritical              // a page, or a heal that failed
)

// Worst returns the highest of the levels, and LevelOK when there are none.
func Worst(levels ...Level) Level {
	worst := LevelOK
	for _, l := range levels {
		worst = max(worst, l)
	}
	return worst
}

// LevelOfExit returns the level that an exit status of this program means.
// A status that the program never gives is LevelUnknown.
func LevelOfExit(status int) Level {
	for _, l := range []Level{LevelOK, LevelWarning, LevelCritical} {
		if l.ExitCode() == status {
			return l
		}
	}
	return LevelUnknown
}

// ExitCode returns the exit status for the level: 0 ok, 1 warning, 2 critical,
// 3 unknown.
func (l Level) ExitCode() int {
	switch l {
	case LevelOK:
		return 0
	case LevelWarning:
		return 1
	case LevelCritical:
		return 2
	}
	return 3
}

// String returns the level in capitals, as monitoring plugins print it.
func (l Level) String() string {
	switch l {
	case LevelOK:
		return "OK"
	case LevelWarning:
		return "WARNING"
	case LevelCritical:
		return "CRITICAL"
	}
	return "UNKNOWN"
}
