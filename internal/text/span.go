package text

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	aDay     = 24 * time.Hour
	mostDays = 100_000 // a duration ends at 106,751 days
)

// ParseSpan reads a time span, longer than nothing, as people write it: a Go
// duration, or days, as in 7d.
func ParseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		d, err = readDays(days)
	}
	if err != nil || d <= 0 {
		return 0, errors.New("want a time such as 90m, 24h or 7d")
	}
	return d, nil
}

func readDays(s string) (time.Duration, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err == nil && !(n <= mostDays) { // not a number is not smaller either
		err = strconv.ErrRange
	}
	return time.Duration(n * float64(aDay)), err
}

// TimeLike returns an example of a time, for a text that should be one. If the text is a
// duration, the example is the time that it would mean from now on: files must not have
// durations, because these would start again each time the file is read.
func TimeLike(s string, now time.Time) string {
	span, err := ParseSpan(s)
	if err != nil {
		return "2026-12-24T18:00:00Z"
	}
	return now.Add(span).UTC().Format(time.RFC3339) + ", which is " + s + " from now"
}
