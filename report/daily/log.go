package daily

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report"
)

// maxEvents bounds what history shows as text; JSON has all that was read.
const maxEvents = 500

// Log is what audits saw and did since a time. The zone of Now is its texts'.
type Log struct {
	Now       time.Time
	Since     time.Time
	Spans     []history.AuditSpan
	Standings []history.Standing
	Actions   []history.Action
	Cut       []string // what was too much to be read, in words
}

// ReadLog reads what audits saw and did from since to now.
func ReadLog(ctx context.Context, past Past, since, now time.Time) (Log, error) {
	in, err := readPast(ctx, past, since)
	return Log{Now: now, Since: since, Spans: in.Spans, Standings: in.Standings, Actions: in.Actions, Cut: in.Cut}, err
}

// WriteLog writes what changed, the newest first: verdicts, findings that came
// and went, actions, and pauses in which nobody looked.
func WriteLog(w io.Writer, l Log) error {
	b := newBuilder(Input{Now: l.Now, Since: l.Since, Spans: l.Spans, Standings: l.Standings, Actions: l.Actions})
	s := &sheet{w: w}
	events := slices.Concat(b.verdicts(), b.comings(), b.goings(), b.acts())
	events = slices.DeleteFunc(events, func(e event) bool { return e.at.Before(l.Since) })
	slices.SortStableFunc(events, func(x, y event) int { return y.at.Compare(x.at) })
	if len(events) == 0 {
		s.paragraph(0, "", "Nothing is recorded since "+b.at(l.Since)+".")
	}
	cut := some(events, maxEvents)
	day := ""
	for _, e := range cut.List {
		at := e.at.In(l.Now.Location())
		if d := at.Format("Mon 2 Jan 2006"); d != day {
			day = d
			s.line("%s", day)
		}
		s.paragraph(2, at.Format("15:04")+"  "+fmt.Sprintf("%-8s  ", e.word), e.words)
	}
	s.more(2, cut.More)
	for _, c := range l.Cut {
		s.paragraph(0, "", c)
	}
	return s.err
}

// event is one line of the log.
type event struct {
	at          time.Time
	word, words string
}

// verdicts are where the exit status of audits changed, and where a pause
// began.
func (b *builder) verdicts() []event {
	var out []event
	spans := slices.Clone(b.Spans)
	slices.SortFunc(spans, func(x, y history.AuditSpan) int { return x.From.Compare(y.From) })
	for i, s := range spans {
		before, paused := -1, time.Duration(0)
		if i > 0 {
			before, paused = spans[i-1].ExitCode, s.From.Sub(spans[i-1].To)
		}
		if paused > Stale {
			out = append(out, event{spans[i-1].To, "pause", "not looked at for " + text.Elapsed(paused)})
		}
		word, _ := verdict(s.ExitCode)
		switch {
		case !s.Began():
			out = append(out, event{later(s.From, b.Since), word, sentence(strings.Join(s.Gaps, "; "))})
		case s.ExitCode != before || paused > Stale:
			out = append(out, event{later(s.From, b.Since), word, "is the audits' verdict, mode " + name(s.Mode)})
		}
	}
	if n := len(spans); n > 0 && b.now.Sub(spans[n-1].To) > Stale {
		out = append(out, event{spans[n-1].To, "pause", "not looked at since"})
	}
	return out
}

// comings are the findings as they appeared.
func (b *builder) comings() []event {
	return each(b.Standings, func(s history.Standing) event {
		words := name(s.Subject) + ": " + name(s.Invariant) + ": " + sentence(s.Message)
		if note := b.note(s); note != "" {
			words += " (" + note + ")"
		}
		return event{s.Since, wordOf(s.Finding), words}
	})
}

// goings are the findings that were resolved.
func (b *builder) goings() []event {
	var out []event
	for _, s := range b.Standings {
		if s.ResolvedAt == nil {
			continue
		}
		word, after := "resolved", text.Elapsed(s.ResolvedAt.Sub(s.Since))
		if s.Outcome == finding.Healed {
			word = "healed"
		}
		out = append(out, event{*s.ResolvedAt, word, name(s.Subject) + ": " + name(s.Invariant) + ", after " + after})
	}
	return out
}

func (b *builder) acts() []event {
	return each(b.Actions, func(a history.Action) event {
		says := ended(a, b.now)
		if says == "" {
			says = "done, and healed what asked for it"
		}
		return event{a.At, "action", what(a) + ": " + says + "; for " + asked(a.Reasons)}
	})
}

// WriteLogJSON writes all that was read, for programs.
func WriteLogJSON(w io.Writer, l Log) error {
	return report.JSON(w, struct {
		Schema   string        `json:"schema"`
		Since    time.Time     `json:"since"`
		Until    time.Time     `json:"until"`
		Cut      []string      `json:"cut"` // what was too much to be read, in words
		Audits   []auditJSON   `json:"audits"`
		Findings []findingJSON `json:"findings"`
		Actions  []actionJSON  `json:"actions"`
	}{HistorySchema, l.Since, l.Now, list(l.Cut), each(l.Spans, auditOf), each(l.Standings, findingOf), each(l.Actions, actionOf)})
}
