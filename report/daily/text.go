package daily

import (
	"fmt"
	"io"
	"strings"

	"stackpolicy/internal/text"
)

// WriteText writes the report as plain text, 80 columns wide.
func WriteText(w io.Writer, m Model) error {
	s := &sheet{w: w}
	s.verdict(m.Title, m.Verdict)
	s.paragraph(0, "", fmt.Sprintf("The last %s: %s to %s, %s", m.Window.Length, m.Window.From, m.Window.To, m.Window.Zone))
	s.tiles(m.Tiles)
	s.now(m.Now, m.Verdict)
	s.strips(m.Units, m.Window)
	s.table(m.Failed)
	s.intruders(m.Units)
	s.heading("Heals")
	s.table(m.Healed)
	s.table(m.Trouble)
	s.heading("Returned")
	s.table(m.Back)
	s.heading("Waived")
	s.table(m.Waived)
	s.table(m.Held)
	s.measures(m)
	if len(m.Notes) > 0 {
		s.heading("What this report cannot say")
	}
	for _, n := range m.Notes {
		s.paragraph(2, "", n)
	}
	if m.Version != "" {
		s.line("")
		s.paragraph(0, "", "Written by stackpolicy "+m.Version+".")
	}
	return s.err
}

func (s *sheet) verdict(title string, v Verdict) {
	s.paragraph(0, title+": ", v.Sentence)
	if v.When != "" {
		s.paragraph(0, "", v.When)
	}
	if v.Stale != "" {
		s.paragraph(0, "", v.Stale)
	}
}

func (s *sheet) tiles(tiles []Tile) {
	s.line("")
	for _, t := range tiles {
		s.paragraph(2, fmt.Sprintf("%-16s %10s  ", t.Name, t.Value), t.About)
	}
}

func (s *sheet) now(groups Some[Group], v Verdict) {
	s.heading("Now")
	if len(groups.List) == 0 {
		words := "No finding is open."
		if v.Stale != "" {
			words = "No known finding is open."
		}
		s.paragraph(2, "", words)
	}
	for _, g := range groups.List {
		s.paragraph(2, "", g.Subject)
		for _, f := range g.Findings.List {
			s.finding(4, f)
		}
		s.more(4, g.Findings.More)
	}
	s.more(2, groups.More)
}

func (s *sheet) finding(indent int, f Finding) {
	s.paragraph(indent, fmt.Sprintf("%-7s  ", f.Word), f.Invariant+", "+f.When)
	s.paragraph(indent+2, "", f.Message)
	if f.Note != "" {
		s.paragraph(indent+2, "", f.Note)
	}
	if f.Next != "" {
		s.paragraph(indent+2, "next: ", f.Next)
	}
	if f.Explain != "" {
		s.paragraph(indent+2, "explain: ", "`"+f.Explain+"`")
	}
}

// strips draws the state of each unit: one character for half an hour of a day.
func (s *sheet) strips(units Some[Unit], w Window) {
	s.heading("Over time")
	if len(units.List) == 0 {
		s.paragraph(2, "", "No audit is recorded, so there is nothing to show.")
		return
	}
	s.paragraph(2, "", "▁ in order  ▄ ticket, or to heal  █ page  ? unknown  · not observed")
	last := len(w.Axis) - 1
	s.line("%30s%-42s%6s", "", w.Axis[0], w.Axis[last])
	for _, u := range units.List {
		label := u.Name
		if text.Width(label) > 26 {
			s.line("  %s", label)
			label = ""
		}
		s.line("  %s%s  %s", label, strings.Repeat(" ", 26-text.Width(label)), u.Strip.Line)
		s.paragraph(30, "", u.Strip.Words)
	}
	s.more(2, units.More)
}

// intruders lists the files that do not belong; the HTML lists all files.
func (s *sheet) intruders(units Some[Unit]) {
	s.heading("Intruders")
	none := true
	for _, u := range units.List {
		for i, l := range u.Layers.List {
			if l.Class != "intruder" {
				continue
			}
			none = false
			s.paragraph(2, "", fmt.Sprintf("%s: layer %d, %s: %s", u.Name, i+1, l.Role, l.Says))
			for j, hop := range l.Hops {
				s.paragraph(4, strings.Repeat("→ ", min(j, 1)), hop.Dir+hop.Name)
			}
		}
	}
	if none {
		s.paragraph(2, "", "Every known file belongs where it is.")
	}
}

func (s *sheet) measures(m Model) {
	s.heading("False successes")
	s.paragraph(2, "", m.False.About)
	s.table(m.False.Stacks)
	s.heading("Alert latency")
	if m.Latency.Measured != "" {
		s.paragraph(2, "", "Median "+m.Latency.Median+", longest "+m.Latency.Most+".")
	}
	s.paragraph(2, "", m.Latency.About)
}
