package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"stackpolicy/audit"
	"stackpolicy/decide/policy"
	"stackpolicy/enforce"
	"stackpolicy/explain"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// nasty are strings that mean to move a cursor, to hide text, or to break a
// line.
var nasty = []string{
	"\x1b[2J\x1b[1;1H all is well",
	"\x1b]0;title\x07",
	"\u009b31m and \x9b31m", // C1, as a rune and as a byte
	"one\ntwo\r\nthree\rfour\ttab\vfeed\f",
	"\u202egpj.exe \u2066isolated\u2069 \u200fright",
	"bad \xff\xfe\xc3( bytes",
	"zero\u200bwidth\u200djoiner\ufeff soft\u00adhyphen",
	"filler\u3164\u115f\uffa0 variation\ufe0f tag\U000e0041",
	"line\u2028separator\u2029paragraph\u0085next",
	"wide 没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录 end",
	"wide without a space:没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录",
	strings.Repeat("a-very-long-word-", 12),
	"`an unclosed command that is long enough to be broken somewhere, is it not, or is it",
	"\x7fdelete\x00null",
	"%s %d %!v(MISSING)",
}

// hostile has every nasty string in every place that takes one from outside.
func hostile() *audit.Report {
	r := reported(2)
	for _, s := range nasty {
		d := blocked("file_declared", s, "page", s)
		d.AppearedAfter = []finding.Action{finding.Action(s)}
		r.Decisions = append(r.Decisions, d, unseen(s, "units", s, s), unseen("x", "units", "podman", s), toHeal(s, finding.Planned))
		r.Gaps = append(r.Gaps, audit.Gap{Collector: s, Error: s})
		r.Actions = append(r.Actions, enforce.Action{
			Action: "restart", Subject: s, Status: enforce.Failed, Message: s, Reasons: []enforce.Reason{{Invariant: s, Subject: s}},
		})
	}
	return r
}

// harmless checks text for what no terminal or log may get to see, and that no
// line is wider than it should be.
func harmless(t *testing.T, out []byte, width int) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Error("invalid UTF-8")
	}
	for _, r := range string(out) {
		if r != '\n' && !text.IsVisible(r) && r != ' ' {
			t.Errorf("%U in the output", r)
		}
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if text.Width(line) > width && breakable(line, width) {
			t.Errorf("%d columns, want at most %d: %q", text.Width(line), width, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("blanks at the end: %q", line)
		}
	}
}

var label = regexp.MustCompile(`^ *(?:next: |for |waived |not decided: |\d+\. |- |[a-z_]+: |(?:PAGE|UNKNOWN|TICKET|HEAL|HEALED|WAIVED|CRITICAL) +)?`)

// breakable: a line that is too wide holds more than one word after its
// label, or a word that has no business on one line. A command stays on one line.
func breakable(line string, _ int) bool {
	rest := line[len(label.FindString(line)):]
	if strings.HasPrefix(rest, "`") && strings.Count(rest, "`") > 1 {
		return false
	}
	return strings.Contains(rest, " ") || text.Width(rest) != utf8.RuneCountInString(rest)
}

func uncolored(s string) string { return regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(s, "") }

func TestOtherWritersAreHarmless(t *testing.T) {
	for _, width := range []int{40, 80, 120} {
		var out bytes.Buffer
		o := Options{Width: width, Steps: func(d finding.Finding) []string { return []string{d.Message, d.Subject} }}
		var list []explain.Explanation
		var invariants []policy.Invariant
		for _, s := range nasty {
			d := blocked("file_declared", "web.service", "page", s)
			d.Evidence = map[string]any{"expected": s, "found": []any{s}, "a_key_that_is_really_quite_long_for_a_key": s}
			inv := policy.Invariant{ID: "file_declared", Title: s, Description: s, Class: "stack", Severity: "page"}
			list, invariants = append(list, explain.Explanation{
				Decision: d, Invariant: inv, Rules: []policy.Rule{{Line: 1, Text: "finding"}},
				Before: &explain.Before{Changes: []explain.Change{{Text: s}}, Unknown: s}, Logs: []explain.Log{{Of: s, Lines: []string{s}, Error: s}},
			}), append(invariants, inv)
		}
		if err := writeExplained(&out, Explained{List: list, Options: o}); err != nil {
			t.Fatal(err)
		}
		if err := writeInvariants(&out, Invariants{List: invariants, Options: o}); err != nil {
			t.Fatal(err)
		}
		harmless(t, out.Bytes(), width)
	}
}

// TestWaiversAreHarmless: who writes settings.yaml is trusted, and yet pastes.
func TestWaiversAreHarmless(t *testing.T) {
	r := reported(0)
	for _, s := range nasty {
		d := blocked("links_resolve", "web.service", "page", "gone")
		d.Waiver = &finding.Waiver{Reason: s, Owner: s}
		r.Decisions = append(r.Decisions, d)
	}
	for _, width := range []int{40, 80} {
		harmless(t, table(t, r, Options{Width: width}), width)
	}
}
