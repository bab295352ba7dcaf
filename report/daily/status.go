package daily

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/report"
	"stackpolicy/report/timeline"
)

// statusFindings is how many findings fit on one screen.
const statusFindings = 5

// Latest has the last audit; a [history.Store] does.
type Latest interface {
	LastAudit(ctx context.Context) (*history.AuditSpan, error)
	Occurrences(ctx context.Context, since time.Time, limit int) ([]history.Occurrence, error)
	Holder
}

// Status is the last audit's verdict. Times are written in the zone of Now.
type Status struct {
	Now         time.Time
	LastAudit   *history.AuditSpan   // nil: there was none
	Occurrences []history.Occurrence // that are open
	Holds       []facts.Hold         // in force now
	AuditedBy   Auditor              // what started audits at the last one
	Member      *Member              // of a fleet; nil: of none
	Steps       func(finding.Finding) []string
}

// ReadStatus reads the last audit's verdict.
func ReadStatus(ctx context.Context, latest Latest, now time.Time) (Status, error) {
	last, err := latest.LastAudit(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read the last audit: %w", err)
	}
	occurrences, err := latest.Occurrences(ctx, now, timeline.MaxOccurrences)
	if err != nil {
		return Status{}, fmt.Errorf("read the findings: %w", err)
	}
	s := Status{Now: now, LastAudit: last}
	for _, x := range occurrences {
		if x.ResolvedAt == nil {
			s.Occurrences = append(s.Occurrences, x)
		}
	}
	doc, err := lastDocument(ctx, latest, last)
	if err != nil {
		return s, err
	}
	s.AuditedBy = auditorOf(doc)
	s.Holds, err = readHolds(ctx, latest, doc, now)
	return s, err
}

// ExitCode returns the last audit's exit status: unknown if there was none, or if
// it is too old to say anything about now.
func (s Status) ExitCode() int {
	if s.LastAudit == nil || stale(*s.LastAudit, s.Now) != "" {
		return finding.LevelUnknown.ExitCode()
	}
	return s.LastAudit.ExitCode
}

// WriteStatus writes the verdict with its age, and the worst open findings.
func WriteStatus(w io.Writer, st Status) error {
	s, v := &sheet{w: w}, verdictOf(timeline.Record{Now: st.Now, LastAudit: st.LastAudit, Occurrences: st.Occurrences}, 0)
	if v.When != "" {
		v.When += st.AuditedBy.words()
	}
	s.verdict(v.Word, v)
	open, gaps := st.shown()
	if len(open) > 0 {
		s.line("")
	}
	cut := some(open, statusFindings)
	for _, x := range cut.List {
		f := wording{clock{st.Now}, st.Steps}.finding(x)
		f.Invariant = name(x.Subject) + ": " + f.Invariant
		s.finding(2, f)
	}
	s.more(2, cut.More)
	s.holds(st.Holds)
	if st.LastAudit != nil {
		label := "not collected: "
		if !st.LastAudit.Began() {
			label = "" // its one gap says why
		}
		for _, g := range some(gaps, statusFindings).List {
			s.paragraph(2, label, sentence(g))
		}
	}
	if st.Member != nil {
		s.line("")
		s.paragraph(0, "fleet: ", st.Member.line(st.LastAudit, st.Now))
	}
	return s.err
}

// shown are the findings and the gaps that are shown. What could not be decided for
// want of facts is left out where the gap is there, and a gap that another one
// causes is: the cause is enough.
func (s Status) shown() (open []history.Occurrence, gaps []string) {
	open = counting(s.Occurrences)
	if s.LastAudit == nil || len(s.LastAudit.Gaps) == 0 {
		return open, nil
	}
	open = slices.DeleteFunc(open, func(x history.Occurrence) bool { return x.IsGap() })
	for _, g := range s.LastAudit.Gaps {
		_, reason, _ := strings.Cut(g, ": ")
		if !slices.ContainsFunc(s.LastAudit.Gaps, func(other string) bool {
			_, cause, _ := strings.Cut(other, ": ")
			return cause != "" && strings.HasSuffix(reason, ": "+cause)
		}) {
			gaps = append(gaps, g)
		}
	}
	return open, gaps
}

// StatusDocument is what status writes as JSON, [StatusSchema].
type StatusDocument struct {
	Schema    string        `json:"schema"`
	At        time.Time     `json:"at"`
	ExitCode  int           `json:"exit_code"`
	Stale     bool          `json:"stale"`
	Age       *int64        `json:"age_seconds"` // null: there was no audit
	Audit     *auditJSON    `json:"audit"`       // null: there was none
	AuditedBy Auditor       `json:"audited_by"`  // empty: not known
	Findings  []findingJSON `json:"findings"`
	Holds     []facts.Hold  `json:"holds"`
	Fleet     *memberJSON   `json:"fleet"` // null: the account is a member of none
}

// WriteStatusJSON writes the verdict for programs, with every open finding.
func WriteStatusJSON(w io.Writer, st Status) error {
	out := StatusDocument{
		Schema: StatusSchema, AuditedBy: st.AuditedBy, At: st.Now, ExitCode: st.ExitCode(), Stale: true,
		Findings: each(st.Occurrences, findingOf), Holds: list(st.Holds), Fleet: memberOf(st.Member, st.LastAudit, st.Now),
	}
	if st.LastAudit != nil {
		last, age := auditOf(*st.LastAudit), int64(st.Now.Sub(st.LastAudit.To).Seconds())
		out.Audit, out.Age, out.Stale = &last, &age, stale(*st.LastAudit, st.Now) != ""
	}
	return report.JSON(w, out)
}
