package fleet

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/text"
	"stackpolicy/report"
	"stackpolicy/report/look"
)

// maxFindings is how many findings of one source are shown.
const maxFindings = 10

// model is the page in words. Every text in it is clean and of bounded length.
type model struct {
	Class, Word, Sentence string
	When, Stamp           string // of the page: in words, and for a machine
	Tiles                 []tile
	Sections              []section
	Releases              []releaseRow
	Offered               []string
	Axis                  []string
	Number                int
	Version               string
}

type tile struct{ Name, Value, Class, About string }

// section is all sources of one state.
type section struct {
	Anchor, Name, Class, About string
	Rows                       []row
}

type releaseRow struct{ Channel, Version, Stage, Sources string }

type row struct {
	Anchor, Host, User, Page string
	Class, Word              string
	Also                     []label // its other states
	Heard                    string
	Bands                    []look.Band
	Strip                    string // in words
	Rules, AboutRules        string
	Evidence                 string
	Worst                    label // "" is none
	IsLast                   bool  // Worst is what it said last
	Why                      string
	Causes                   []label
	AsOf                     string // of the findings, if that is not the newest evidence
	Findings                 []findingRow
	More                     int
	Facts                    []fact
}

// label is a word in a frame, and what it says.
type label struct{ Class, Word, Says string }

type findingRow struct {
	Class, Word, Invariant, Subject, Message, When, Note string
	Steps                                                []string
	Explain                                              string
}

type fact struct{ Name, Value string }

// build puts a fleet into words.
func build(in Input) model {
	level := finding.LevelOfExit(in.ExitCode)
	m := model{
		Class: classOfLevel(level), Word: level.String(), Sentence: tally(in.Fleet),
		When: in.At.Format("Mon 2 Jan 2006 15:04 MST"), Stamp: in.At.UTC().Format(time.RFC3339), Number: len(in.Sources), Version: in.Version,
		Axis: []string{in.At.Add(-overview.Length).Format("2 Jan"), in.At.Add(-overview.Length / 2).Format("2 Jan"), "now"},
	}
	m.Tiles, m.Offered = tiles(in.Fleet), offered(in.Fleet)
	for _, r := range in.Sources {
		if last := len(m.Sections) - 1; last < 0 || m.Sections[last].Name != string(r.State) {
			m.Sections = append(m.Sections, section{Anchor: anchor(string(r.State)), Name: string(r.State), Class: classOf(r.State), About: about(r.State)})
		}
		s := &m.Sections[len(m.Sections)-1]
		s.Rows = append(s.Rows, rowOf(r, in))
	}
	for _, r := range in.Releases {
		rr := releaseRow{short(r.Channel), fmt.Sprint(r.Version), short(r.Stage), fmt.Sprint(r.Sources)}
		if r.Channel == "" {
			rr = releaseRow{"no release", "", "", rr.Sources}
		}
		m.Releases = append(m.Releases, rr)
	}
	return m
}

func anchor(s string) string { return strings.ReplaceAll(s, " ", "-") }

// tiles are the fleet in numbers. Each source is in one of them.
func tiles(f overview.Fleet) []tile {
	count := map[overview.State]int{}
	for _, t := range f.Totals {
		count[t.State] = t.Sources
	}
	list := []tile{{Name: "Sources", Value: fmt.Sprint(len(f.Sources) - count[overview.Revoked]), About: "enrolled: a host and an account each"}}
	for _, t := range []struct {
		name, about string
		states      []overview.State
	}{
		{"Not heard from", "or never", []overview.State{overview.Silent, overview.Never}},
		{"Untrusted", "contradict themselves", []overview.State{overview.Untrusted}},
		{"Page", "to mend now", []overview.State{overview.Page}},
		{"Not known", "undecided, evidence missing, or a wrong clock", []overview.State{overview.Unknown, overview.Gap, overview.BadClock}},
		{"Ticket", "within working hours", []overview.State{overview.Ticket}},
		{"Good", "everything was looked at; waived included", []overview.State{overview.Waived, overview.Good}},
	} {
		n := 0
		for _, s := range t.states {
			n += count[s]
		}
		tile := tile{Name: t.name, Value: fmt.Sprint(n), About: t.about}
		if n > 0 {
			tile.Class = classOfLevel(t.states[0].Level())
		}
		list = append(list, tile)
	}
	return list
}

func rowOf(r overview.Row, in Input) row {
	out := row{
		Anchor: anchorOf(r), Host: look.Name(r.Host), User: look.Name(r.User), Page: pageOf(r.Page), Class: classOf(r.State), Word: string(r.State),
		Heard: heard(r, in.At), Rules: rules(r), AboutRules: aboutRules(r), Evidence: evidence(r), Why: look.Sentence(r.Causes[0].Why),
	}
	if r.Fork == "" { // else nothing of it is trusted
		out.Bands, out.Strip = strip(seen(r.Source), in.At)
	}
	if word, sentence := worst(r); word != "" {
		out.Worst = label{strings.ToLower(word), word, sentence}
	}
	out.IsLast = r.State == overview.Silent
	for i, c := range r.Causes {
		l := label{classOf(c.State), string(c.State), look.Sentence(c.Why)}
		if i > 0 && l.Word != out.Worst.Class {
			out.Also = append(out.Also, l)
		}
		if open := c.State == overview.Page || c.State == overview.Ticket; !open || len(r.Findings) == 0 { // else these say it
			out.Causes = append(out.Causes, l)
		}
	}
	if r.Applied != r.Newest && !r.AsOf.IsZero() {
		out.AsOf = text.Ago(in.At, r.AsOf)
	}
	for i, f := range r.Findings {
		if i == maxFindings {
			out.More = len(r.Findings) - i
			break
		}
		out.Findings = append(out.Findings, findingOf(r, f, in))
	}
	out.Facts = factsOf(r, in.At)
	return out
}

// pageOf returns the path of a source's own page, if it is one below that of the fleet.
func pageOf(path string) string {
	if !filepath.IsLocal(path) || strings.ContainsAny(path, ":\\") {
		return ""
	}
	return path
}

// anchorOf returns an id for a source that is the same on every page.
func anchorOf(r overview.Row) string {
	subject, err := r.Source.Subject()
	if err != nil { // no such source can be enrolled
		return ""
	}
	return strings.ReplaceAll(subject, "%", ":") // which a link would decode
}

func findingOf(r overview.Row, f overview.Finding, in Input) findingRow {
	out := findingRow{
		Class: classOfLevel(f.Level()), Word: strings.ToUpper(string(f.Urgency())), Invariant: look.Name(f.Invariant), Subject: look.Name(f.Subject),
		Message: look.Sentence(f.Message), When: fmt.Sprintf("since %s (%s)", stamp(f.Since, in.At), text.Elapsed(max(in.At.Sub(f.Since), 0))),
	}
	switch {
	case f.Waiver != nil:
		out.Class, out.Word = "none", "WAIVED"
		out.Note = fmt.Sprintf("waived until %s by %s: %s", stamp(f.Waiver.Until, in.At), look.Name(f.Waiver.Owner), look.Sentence(f.Waiver.Reason))
		return out
	case f.Outcome == finding.HealFailed:
		out.Note = "the heal failed"
	case f.Outcome == finding.Refused:
		out.Note = "the heal was refused"
	}
	out.Word = look.Name(out.Word)
	if in.Steps != nil {
		for _, s := range in.Steps(r.Source, f.Finding) {
			out.Steps = append(out.Steps, look.Sentence(s))
		}
	}
	out.Explain = report.ExplainCommand(f.Subject, f.Invariant)
	return out
}

// stamp writes a time in the zone of now.
func stamp(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(now.Location()).Format("2 Jan 2006 15:04")
}

// factsOf are the particulars of a source.
func factsOf(r overview.Row, now time.Time) []fact {
	all := []fact{
		{"Missing envelopes", ranges(r.Missing)}, {"Envelope received", stamp(r.Received, now)}, {"Last audit", stamp(r.Beat.Audited, now)},
		{"Exit status", exit(r)}, {"Mode", look.Name(r.Beat.Mode)}, {"Rules", look.Name(r.Beat.Policy)}, {"stackpolicy", look.Name(r.Program)},
		{"Boot", look.Name(r.Boot)}, {"Enrolled", stamp(r.Enrolled, now)}, {"Key", look.Name(r.Key)},
	}
	if r.Refused > 0 {
		all = append(all, fact{"Refused", refused(r)})
	}
	if r.Accepted > 0 {
		all = append(all, fact{"Accepted as lost", text.Count(int(r.Accepted), "envelope", "envelopes")})
	}
	if r.Lost > 0 {
		all = append(all, fact{"Forgotten before they were sent", text.Count(int(r.Lost), "audit", "audits")})
	}
	if r.Revoked != nil {
		all = append(all, fact{"Revoked", stamp(*r.Revoked, now)})
	}
	var out []fact
	for _, f := range all {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

func exit(r overview.Row) string {
	if r.Received.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d (%s), of %s", r.Beat.ExitCode, finding.LevelOfExit(r.Beat.ExitCode), text.Count(int(r.Beat.Audits), "audit", "audits"))
}
