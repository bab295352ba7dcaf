package report

import (
	"fmt"
	"io"
	"time"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
	"stackpolicy/replay"
)

// Replayed is the result of a replay, and how to show it.
type Replayed struct {
	replay.Result
	Options
}

// ReplayFormats lists every way to write a replay.
func ReplayFormats() []output.Format[Replayed] {
	return []output.Format[Replayed]{
		{Name: "text", Write: writeReplay},
		{Name: "json", Write: func(w io.Writer, r Replayed) error { return JSON(w, r.Result) }},
	}
}

// writeReplay writes how many audits give the same, and then those that do not, or cannot be
// decided again.
func writeReplay(w io.Writer, r Replayed) error {
	p := newPrinter(w, r.Options)
	if r.Audits == 0 {
		p.line("No audit was recorded since %s.", minute(r.Since))
		return p.err
	}
	p.paragraph(0, "", fmt.Sprintf("%s of %s since %s: %d give the same.", text.Count(r.Audits, "audit", "audits"), text.Count(r.Documents, "document", "documents"), minute(r.Since), r.Same))
	for _, d := range r.Differences {
		p.line("")
		p.paragraph(0, p.paint("DIFFERENT", pretty.FgRed, pretty.Bold)+"  ", during(d.From, d.To, d.Audits))
		for _, c := range d.Findings {
			p.paragraph(2, "", fmt.Sprintf("%s: %s of %s: %s", c.Change, text.Clean(c.Invariant), text.Clean(c.Subject), text.Clean(c.Message)))
		}
		if len(d.Findings) == 0 {
			p.paragraph(2, "", "the same findings, in other words, or with another effect, severity or evidence")
		}
	}
	for _, u := range r.Unknown {
		p.line("")
		p.paragraph(0, p.paint("UNKNOWN", pretty.FgYellow, pretty.Bold)+"  ", during(u.From, u.To, u.Audits))
		p.paragraph(2, "", text.Clean(u.Reason))
	}
	return p.err
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func during(from, to time.Time, audits int) string {
	if audits == 1 {
		return "the audit of " + minute(from)
	}
	return fmt.Sprintf("%d audits from %s to %s", audits, minute(from), minute(to))
}
