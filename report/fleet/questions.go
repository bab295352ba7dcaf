package fleet

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"stackpolicy/fleet/questions"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
	"stackpolicy/replay"
)

// maxListed bounds the hosts that a text names; JSON has all.
const maxListed = 30

// ImpactFormats lists every way to write the impact over a fleet.
func ImpactFormats() []output.Format[questions.Impact] {
	return []output.Format[questions.Impact]{
		{Name: "text", Write: writeImpact},
		{Name: "json", Write: func(w io.Writer, i questions.Impact) error { return writeJSON(w, wholeImpact(i)) }},
	}
}

// wholeImpact returns an impact with empty lists instead of null: those of a source that cannot be
// told of, and that of an empty fleet.
func wholeImpact(i questions.Impact) questions.Impact {
	i.Each = append([]questions.SourceImpact{}, i.Each...)
	for n := range i.Each {
		of := &i.Each[n].Impact
		of.Schema = replay.ImpactSchema
		of.Findings, of.Alerts = append([]replay.Changed{}, of.Findings...), append([]replay.AlertChange{}, of.Alerts...)
		of.Actions, of.Unknown = append([]replay.ActionChange{}, of.Actions...), append([]replay.Unknown{}, of.Unknown...)
	}
	return i
}

func writeImpact(w io.Writer, i questions.Impact) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s of %s since %s UTC were decided again.\n", text.Count(i.Audits, "audit", "audits"),
		text.Count(i.Sources, "source", "sources"), i.Since.UTC().Format("2006-01-02 15:04"))
	if i.Assumed > 0 {
		fmt.Fprintf(&out, "%s compared with the rules of this hub: those of then are not kept.\n", text.Count(i.Assumed, "audit is", "audits are"))
	}
	if i.Unknown > 0 {
		fmt.Fprintf(&out, "%s could not be decided again.\n", text.Count(i.Unknown, "audit", "audits"))
	}
	if i.IsNone() {
		out.WriteString("Nothing would have been different.\n")
	} else {
		fmt.Fprintf(&out, "At %s something would have been different.\n", text.Count(i.Changed, "source", "sources"))
	}
	writeGroups(&out, i.Findings)
	writeSources(&out, i.Each)
	_, err := io.WriteString(w, out.String())
	return err
}

func writeGroups(out io.Writer, groups []questions.Group) {
	if len(groups) == 0 {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "INVARIANT\tCHANGE\tBEFORE\tAFTER\tSOURCES\tFINDINGS")
	for _, g := range groups {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\n", text.Clean(g.Invariant), text.Clean(g.Change), orDash(g.Before), orDash(g.After), g.Sources, g.Findings)
	}
	_ = table.Flush() // to a buffer
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return text.Clean(s)
}

// writeSources lists the sources at which something changes, or could not be told.
func writeSources(out io.Writer, each []questions.SourceImpact) {
	listed := 0
	for _, s := range each {
		if s.Error == "" && s.Impact.IsNone() {
			continue
		}
		if listed++; listed == 1 {
			fmt.Fprintln(out)
		}
		if listed > maxListed {
			continue
		}
		if s.Error != "" {
			fmt.Fprintf(out, "%s: %s\n", nameOf(s.Source), text.Clean(s.Error))
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", nameOf(s.Source), changes(s.Impact))
	}
	if listed > maxListed {
		fmt.Fprintf(out, "and %d more: -o json lists them\n", listed-maxListed)
	}
}

func changes(i replay.Impact) string {
	var words []string
	for _, of := range []struct {
		n         int
		one, many string
	}{
		{len(i.Findings), "finding", "findings"}, {len(i.Alerts), "alert", "alerts"}, {len(i.Actions), "action", "actions"},
	} {
		if of.n > 0 {
			words = append(words, text.Count(of.n, of.one, of.many))
		}
	}
	return strings.Join(words, ", ")
}

// AnswerFormats lists every way to write the answers of a fleet.
func AnswerFormats() []output.Format[questions.Answers] {
	return []output.Format[questions.Answers]{
		{Name: "text", Write: writeAnswers},
		{Name: "json", Write: func(w io.Writer, a questions.Answers) error { return writeJSON(w, wholeAnswers(a)) }},
	}
}

// wholeAnswers returns answers in which a source without one has an empty list instead of null.
func wholeAnswers(a questions.Answers) questions.Answers {
	a.Each = append([]questions.SourceAnswer{}, a.Each...)
	for n := range a.Each {
		a.Each[n].Answers = append([]json.RawMessage{}, a.Each[n].Answers...)
	}
	return a
}

// writeAnswers writes a line for each answer, and counts the sources at which the query does not hold.
func writeAnswers(w io.Writer, a questions.Answers) error {
	var out strings.Builder
	none := 0
	for _, s := range a.Each {
		if s.Error != "" {
			fmt.Fprintf(&out, "%s: %s\n", nameOf(s.Source), text.Clean(s.Error))
		} else if len(s.Answers) == 0 {
			none++
		}
		for _, answer := range s.Answers {
			fmt.Fprintf(&out, "%s  %s\n", nameOf(s.Source), text.Clean(string(answer)))
		}
	}
	fmt.Fprintf(&out, "%s asked; the query has no result at %d.\n", text.Count(len(a.Each), "source was", "sources were"), none)
	_, err := io.WriteString(w, out.String())
	return err
}
