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
	"stackpolicy/internal/times"
	"stackpolicy/report"
	"stackpolicy/report/timeline"
)

// maxEvents bounds what history shows as text; JSON has all that was read.
const maxEvents = 500

// Log is what audits saw and did since a time. Times are written in the zone of
// Now.
type Log struct {
	Now         time.Time
	Since       time.Time
	Spans       []history.AuditSpan
	Occurrences []history.Occurrence
	Actions     []history.Action
	Cut         []string // what was too much to be read, in words
}

// ReadLog reads what audits saw and did from since to now.
func ReadLog(ctx context.Context, past timeline.Past, since, now time.Time) (Log, error) {
	r, err := timeline.ReadHistory(ctx, past, since, now)
	return Log{Now: now, Since: since, Spans: r.Spans, Occurrences: r.Occurrences, Actions: r.Actions, Cut: r.Cut}, err
}

// WriteLog writes what changed, the newest first: verdicts, findings that appeared
// or were resolved, actions, and pauses without an audit.
func WriteLog(w io.Writer, l Log) error {
	s, events := &sheet{w: w}, l.events()
	if len(events) == 0 {
		s.paragraph(0, "", "Nothing is recorded since "+clock{l.Now}.at(l.Since)+".")
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

// events returns what happened since then, the newest first.
func (l Log) events() []event {
	c := clock{l.Now}
	events := slices.Concat(l.verdicts(), appeared(l.Occurrences, c), resolutions(l.Occurrences), acts(l.Actions, c))
	events = slices.DeleteFunc(events, func(e event) bool { return e.at.Before(l.Since) })
	slices.SortStableFunc(events, func(x, y event) int { return y.at.Compare(x.at) })
	return events
}

// verdicts returns when the exit status of audits changed, and when a pause began.
func (l Log) verdicts() []event {
	var out []event
	spans := timeline.Oldest(l.Spans)
	for i, s := range spans {
		before, paused := -1, time.Duration(0)
		if i > 0 {
			before, paused = spans[i-1].ExitCode, s.From.Sub(spans[i-1].To)
		}
		if paused > timeline.Stale {
			out = append(out, event{spans[i-1].To, "pause", "no audit for " + text.Elapsed(paused)})
		}
		word, _ := exitWord(s.ExitCode)
		switch {
		case !s.Began():
			out = append(out, event{times.Later(s.From, l.Since), word, sentence(strings.Join(s.Gaps, "; "))})
		case s.ExitCode != before || paused > timeline.Stale:
			out = append(out, event{times.Later(s.From, l.Since), word, "is the verdict, mode " + name(s.Mode)})
		}
	}
	if n := len(spans); n > 0 && l.Now.Sub(spans[n-1].To) > timeline.Stale {
		out = append(out, event{spans[n-1].To, "pause", "no audit since"})
	}
	return out
}

// appeared returns when each finding appeared.
func appeared(list []history.Occurrence, c clock) []event {
	return each(list, func(s history.Occurrence) event {
		words := name(s.Subject) + ": " + name(s.Invariant) + ": " + sentence(s.Message)
		if note := c.note(s); note != "" {
			words += " (" + note + ")"
		}
		return event{s.Since, wordOf(s.Finding), words}
	})
}

// resolutions returns when findings were resolved.
func resolutions(list []history.Occurrence) []event {
	var out []event
	for _, s := range list {
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

// acts returns the actions.
func acts(actions []history.Action, c clock) []event {
	return each(actions, func(a history.Action) event {
		says := ended(a, c.now)
		if says == "" {
			says = "done, and its findings are gone"
		}
		return event{a.At, "action", what(a) + ": " + says + "; for " + asked(a.Reasons)}
	})
}

// WriteLogJSON writes everything that was read, for programs.
func WriteLogJSON(w io.Writer, l Log) error {
	return report.JSON(w, struct {
		Schema   string        `json:"schema"`
		Since    time.Time     `json:"since"`
		Until    time.Time     `json:"until"`
		Cut      []string      `json:"cut"` // what was too much to be read, in words
		Audits   []auditJSON   `json:"audits"`
		Findings []findingJSON `json:"findings"`
		Actions  []actionJSON  `json:"actions"`
	}{HistorySchema, l.Since, l.Now, list(l.Cut), each(l.Spans, auditOf), each(l.Occurrences, findingOf), each(l.Actions, actionOf)})
}
