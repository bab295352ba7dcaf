package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"stackpolicy/finding"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
	"stackpolicy/watch"
)

// WatchFormats lists every way to write a line of a watch.
func WatchFormats() []output.Format[watch.Line] {
	return []output.Format[watch.Line]{
		{Name: "text", Write: writeWatch},
		{Name: "json", Write: func(w io.Writer, l watch.Line) error { return json.NewEncoder(w).Encode(l) }},
	}
}

// writeWatch writes one line with the time of this place.
func writeWatch(w io.Writer, l watch.Line) error {
	at := l.Time.Local().Format(time.TimeOnly)
	if l.Ready {
		_, err := fmt.Fprintf(w, "%s  watching; exit status of the first audit: %d\n", at, *l.ExitCode)
		return err
	}
	is := string(l.Effect)
	if l.Effect != finding.Allow {
		is += " " + string(l.Severity)
	}
	if l.Waived {
		is += " (waived)"
	}
	line := fmt.Sprintf("%s  %s  %s: %s, was %s", at, l.Subject, l.Invariant, is, l.Was)
	if l.Message != "" {
		line += "; " + l.Message
	}
	_, err := fmt.Fprintln(w, text.Clean(line))
	return err
}
