package daily

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// nasty are strings that mean to break out of a page, to have it run or fetch
// something, or to hide what they are.
func nasty(server string) []string {
	run := "document.documentElement.dataset.owned=1;new Image().src='" + server + "/run'"
	return []string{
		"<script>" + run + "</script>",
		"</title></style><script src=" + server + "/src></script>",
		`"><img src=` + server + `/img onerror="` + run + `">`,
		`' onmouseover='` + run + `' autofocus onfocus='` + run + `' x='`,
		"</svg><svg onload=\"" + run + "\"><a href=\"javascript:" + run + "\">",
		"<link rel=stylesheet href=" + server + "/css><iframe src=" + server + "/frame></iframe>",
		"<meta http-equiv=refresh content='0;url=" + server + "/refresh'>",
		"javascript:" + run,
		"}</style>@import url(" + server + "/import);*{background:url(" + server + "/background)}",
		"{{.Title}} {{template \"page.css\"}} <!-- <![CDATA[ ]]> -->",
		"\x1b[2J\x07\x00 \u009b31m \xff\xfe",
		"\u202egpj.exe \u2066x\u2069 \u200b\u3164",
		"one\ntwo\r\nthree\tfour",
		strings.Repeat("very-long-", 500),
		"`unclosed <b>command",
		"",
	}
}

// hostile has each nasty string in every place that takes one from outside.
func hostile(server string) Input {
	in := sample()
	in.Document = snapshotOf()
	in.LastAudit.DocumentDigest = "hostile"
	for i, s := range nasty(server) {
		u := stack(s, s, facts.File{Path: s, Role: s, Of: s, Origin: s, Kind: s, FirstHop: s + "1", Target: s + "2", State: s, Effective: true, Loaded: true},
			facts.File{Path: "/" + s, Role: "wants", Of: s, State: "undeclared", Effective: true})
		u.Name, u.Loaded.SubState = s, s
		in.Document.Units = append(in.Document.Units, u)
		f := found(int64(100+3*i), s, s, "page", s, clockTime(9, 0), nil)
		f.Evidence, f.Runbook = map[string]any{"case": s, s: s}, s
		again := found(int64(101+3*i), s, s, finding.Severity(s), s, clockTime(7, 0), ptr(clockTime(8, 0)))
		again.Evidence = map[string]any{"case": s}
		in.Occurrences = append(in.Occurrences, f, again, waivedUntil(found(int64(102+3*i), s, s+" waived", "ticket", s, clockTime(9, 0), nil), today, s))
		for _, status := range []string{history.Done, history.Failed, s} {
			in.Actions = append(in.Actions, acted(clockTime(9, i), finding.Action(s), s, status, s, ptr(true), history.Reason{Invariant: s, Subject: s, Case: s}))
		}
		in.LastAudit.Gaps, in.LastAudit.Mode = append(in.LastAudit.Gaps, s), s
		in.Document.Host.Name = nasty(server)[0]
	}
	in.Snapshots["hostile"], in.Snapshots["now"] = timeline.SnapshotOf(in.Document), timeline.SnapshotOf(in.Document)
	return in
}

// elements are all that a page may have, and attributes all that they may.
var (
	tag        = regexp.MustCompile(`<(/?[a-zA-Z!][^\s>]*)([^>]*)>`)
	attribute  = regexp.MustCompile(`([a-zA-Z-]+)="`)
	elements   = strings.Fields("!doctype html head meta title style body a header p h1 h2 h3 h4 span dl div dt dd nav ul ol li main section article svg path details summary table caption thead tbody tr th td footer b strong code wbr")
	attributes = strings.Fields("lang charset http-equiv content name class href id aria-label aria-labelledby aria-hidden viewBox preserveAspectRatio d role scope data-head")
)

// TestHTMLHoldsOnlyItsOwn: no element and no attribute comes from outside.
func TestHTMLHoldsOnlyItsOwn(t *testing.T) {
	text := string(html(t, hostile("http://127.0.0.1:1")))
	before, rest, _ := strings.Cut(text, "<style>")
	_, after, _ := strings.Cut(rest, "</style>")
	open := []string{}
	for _, m := range tag.FindAllStringSubmatch(before+after, -1) {
		name, closing := strings.CutPrefix(m[1], "/")
		if !slices.Contains(elements, name) {
			t.Fatalf("element %s", m[0])
		}
		for _, a := range attribute.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(attributes, a[1]) {
				t.Errorf("attribute %s in %s", a[1], m[0])
			}
		}
		switch {
		case closing && (len(open) == 0 || open[len(open)-1] != name):
			t.Fatalf("%s closes %v", m[0], open)
		case closing:
			open = open[:len(open)-1]
		case name != "!doctype" && name != "meta" && name != "wbr" && !strings.HasSuffix(m[2], "/"):
			open = append(open, name)
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
	for _, href := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(after, -1) {
		if !strings.HasPrefix(href[1], "#") {
			t.Errorf("a link to %s", href[1])
		}
	}
}

// TestTextIsHarmless: nothing in any of the texts moves a cursor.
func TestTextIsHarmless(t *testing.T) {
	in := hostile("http://127.0.0.1:1")
	var out strings.Builder
	for _, err := range []error{
		WriteText(&out, Build(in)),
		WriteStatus(&out, Status{Now: in.Now, LastAudit: in.LastAudit, Occurrences: in.Occurrences, Steps: in.Steps}),
		WriteLog(&out, Log{Now: in.Now, Since: in.Since, Spans: in.Spans, Occurrences: in.Occurrences, Actions: in.Actions}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSuffix(line, "\n"); name(line) != line && len([]rune(line)) < look.MaxName {
			t.Errorf("not harmless: %q", line)
		}
	}
}

const mostSpans = 20_000 // that are read at most

// busy is a day of n units of which each changes its state all the time.
func busy(n int, length time.Duration) Input {
	in := Input{Steps: steps, Record: timeline.Record{Now: today.Add(length), Since: today, Snapshots: map[string]timeline.Snapshot{}, FirstSent: map[int64]time.Time{}, Class: class}}
	var units []facts.Unit
	for i := range n {
		units = append(units, stack(fmt.Sprintf("unit-%03d", i), "active", linked(fmt.Sprintf("unit-%03d.service.d/limits.conf", i))))
	}
	in.Document = snapshotOf(units...)
	in.Snapshots["now"] = timeline.SnapshotOf(in.Document)
	for at := today; at.Before(in.Now) && len(in.Spans) < mostSpans; at = at.Add(max(20*time.Minute, length/mostSpans)) {
		in.Spans = append(in.Spans, span(at, at.Add(10*time.Minute), 2, "now"))
	}
	slices.Reverse(in.Spans)
	in.LastAudit = &in.Spans[0]
	message := strings.Repeat("a message that is about as long as one that a rule writes, ", 3)
	for i := range timeline.MaxOccurrences {
		from := today.Add(length * time.Duration(i) / timeline.MaxOccurrences)
		until := from.Add(length / 100)
		s := found(int64(i), []string{"file_declared", timeline.StackRunning}[i%2], units[i%n].Name, "page", message, from, &until)
		if i%n != i && i >= timeline.MaxOccurrences-3*n {
			s.ResolvedAt = nil
		}
		in.Occurrences = append(in.Occurrences, s)
	}
	return in
}

// TestSize: the page stays small, however much there is to show.
func TestSize(t *testing.T) {
	cases := map[string]struct {
		in         Input
		units, max int
	}{
		"50 units, a day":   {busy(50, 24*time.Hour), 50, 1 << 20},
		"200 units, a year": {busy(200, 365*24*time.Hour), 200, 4 << 20},
		"500 units, a year": {busy(500, 365*24*time.Hour), 500, 4 << 20},
		"hostile":           {hostile("http://127.0.0.1:1"), 2*len(nasty("")) + 5, 1 << 20},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			m := Build(c.in)
			got := len(written(t, func(out *bytes.Buffer) error { return WriteHTML(out, m) }))
			t.Logf("%d KiB in %v", got>>10, time.Since(begun).Round(time.Millisecond))
			if known := len(m.Units.List) + m.Units.More; len(m.Units.List) > maxUnits || known != c.units+1 {
				t.Errorf("%d units and %d more", len(m.Units.List), m.Units.More)
			}
			if got > c.max {
				t.Errorf("%d bytes, want at most %d", got, c.max)
			}
		})
	}
}
