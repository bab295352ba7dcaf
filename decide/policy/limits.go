package policy

import (
	"fmt"
	"strconv"
	"time"

	"stackpolicy/internal/text"
)

// limit has the value of a setting and its bounds.
type limit struct {
	path, is, want string
	kept           bool
}

// checkLimits refuses numbers and durations that would switch off a safeguard, or that
// cannot be kept.
func (doc *settingsDoc) checkLimits(refusal *Refusal) {
	for _, l := range doc.Settings.limits() {
		if !l.kept {
			doc.problem(refusal, l.path, "%s is out of bounds; want %s", l.is, l.want)
		}
	}
}

func (s Settings) limits() []limit {
	limits := []limit{
		count("budget.unit", s.Budget.Unit, 1, 100),
		count("budget.host", s.Budget.Host, 1, 1000),
		window("budget.window", s.Budget.Window),
		count("breaker.failures", s.Breaker.Failures, 1, 100),
		span("breaker.cooldown", s.Breaker.Cooldown, time.Minute, 30*24*time.Hour),
		count("repeat.drift", s.Repeat.Drift, 2, 1000),
		window("repeat.window", s.Repeat.Window),
		// An action waits this long several times, within its own limit.
		span("settle", s.Settle, 100*time.Millisecond, 5*time.Second),
		count("storage.free_mb", s.Storage.FreeMB, 0, 1_000_000_000),
		count("storage.free_inodes", s.Storage.FreeInodes, 0, 1_000_000_000),
		count("waivers", len(s.Waivers), 0, 200),
		count("decide", len(s.Decide), 0, 200),
	}
	for id, period := range s.Grace {
		limits = append(limits, span("grace."+id, period, 0, 30*24*time.Hour))
	}
	for i, w := range s.Waivers {
		limits = append(limits, count(fmt.Sprintf("waivers.%d.units", i), len(w.Units), 1, 100))
	}
	for i, d := range s.Decide {
		limits = append(limits, count(fmt.Sprintf("decide.%d.units", i), len(d.Units), 1, 100))
	}
	return limits
}

func count(path string, n, low, high int) limit {
	return limit{path, strconv.Itoa(n), fmt.Sprintf("%d to %d", low, high), low <= n && n <= high}
}

func span(path string, d, low, high time.Duration) limit {
	return limit{path, text.Brief(d), fmt.Sprintf("%s to %s", text.Brief(low), text.Brief(high)), low <= d && d <= high}
}

// window reads a window for which the history counts heals.
func window(path string, d time.Duration) limit {
	return limit{path, text.Brief(d), "1h or 24h, as the history counts", d == time.Hour || d == 24*time.Hour}
}
