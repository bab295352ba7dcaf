package daily

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stackpolicy/history"
	"stackpolicy/report/timeline"
)

// firstDay is a machine on which the first audit was a minute ago, 24 h into the window.
func firstDay(state int) Input {
	now := clockTime(14, 0)
	doc := snapshotOf(stack("web", "active"))
	last := span(now.Add(-time.Minute), now.Add(-time.Minute), state, "now")
	return Input{Record: timeline.Record{
		Now: now, Since: clockTime(-10, 0), LastAudit: &last, Document: doc, Spans: []history.AuditSpan{last},
		Snapshots: map[string]timeline.Snapshot{"now": timeline.SnapshotOf(doc)},
	}}
}

// TestFirstDay: what was not observed yet does not count as out of order.
func TestFirstDay(t *testing.T) {
	m := Build(firstDay(0))
	if got := m.Tiles[0]; got.Value != "100 %" || got.Class != "" || got.About != "of the time since the first audit, 13:59, fully observed" {
		t.Errorf("the tile is %+v", got)
	}
	if got, want := words(m, "web.service"), "100 % in order, not observed before 13:59"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	in := firstDay(2)
	in.Occurrences = []history.Occurrence{found(1, "x", "web.service", "page", "m", clockTime(13, 59), nil)}
	if got := Build(in).Tiles[0]; got.Value != "0 %" || got.Class != "page" {
		t.Errorf("with a page the tile is %+v", got)
	}
}

// TestCouldNotBegin: an audit that could not begin leaves its time unknown, never in order,
// and the report says when and why.
func TestCouldNotBegin(t *testing.T) {
	in := firstDay(0)
	failed := history.AuditSpan{From: clockTime(13, 0), To: clockTime(13, 50), Count: 6, ExitCode: 3, Gaps: []string{"the audit could not begin: config.yaml: line 1: unknown key \"unts\""}}
	in.Spans = append(in.Spans, failed)
	m := Build(in)
	if got, want := words(m, "web.service"), "1.7 % in order, unknown 59 min, not observed before 13:00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := m.Tiles[0].Value; got != "1.7 %" {
		t.Errorf("the tile is %s", got)
	}
	text := string(written(t, func(out *bytes.Buffer) error { return WriteText(out, m) }))
	for _, page := range []string{text, string(html(t, in))} {
		for _, want := range []string{"Audits that could not begin", "13:00 to 13:50, 6 times", "line 1: unknown key"} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is not in:\n%s", want, page)
			}
		}
	}
	if strings.Contains(string(html(t, firstDay(0))), "could not begin") {
		t.Error("audits could not begin where all did")
	}
}

// TestExplain: each open finding has its command, unless a shell could read it otherwise.
func TestExplain(t *testing.T) {
	for _, c := range []struct{ subject, want string }{
		{"web.service", "stackpolicy explain web.service x"},
		{"host", "stackpolicy explain host x"},
		{"web@a-b.service", "stackpolicy explain web@a-b.service x"},
		{`dev-a\x2db.service`, ""}, {"$(reboot).service", ""}, {"web.service; reboot", ""},
	} {
		in := firstDay(2)
		in.Occurrences = []history.Occurrence{found(1, "x", c.subject, "page", "m", clockTime(13, 59), nil)}
		if got := Build(in).Now.List[0].Findings.List[0].Explain; got != c.want {
			t.Errorf("%s: %q, want %q", c.subject, got, c.want)
		}
	}
}

// TestPathsBreakAtSlashes: in a page a path may be broken after each slash.
func TestPathsBreakAtSlashes(t *testing.T) {
	if page := string(html(t, sample())); !strings.Contains(page, "<p class=\"outside\">/<wbr>etc/<wbr>systemd/<wbr>user/<wbr>") {
		t.Error("the path of a message cannot be broken at slashes")
	}
}
