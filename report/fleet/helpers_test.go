package fleet

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/overview"
)

var update = flag.Bool("update", false, "write the goldens again")

// golden compares with testdata/NAME, or writes it again with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s -want +got\n%s", path, d)
	}
}

func written(t *testing.T, write func(io.Writer, Input) error, in Input) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, in); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// source returns one that is good, with a change.
func source(host, user string, change func(*overview.Source)) overview.Source {
	s := overview.Source{
		Source: fleet.Source{Org: "acme", Host: host, User: user}, Key: "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg", Enrolled: now.Add(-30 * 24 * time.Hour),
		Received: now.Add(-3 * time.Minute), Newest: 4031, Applied: 4031, AsOf: now.Add(-3 * time.Minute), Boot: "0b0f5a1e-6f0a-4a57-9d59-0f2f3c1f2d11", Program: "1.0.0",
		Beat: fleet.Beat{
			Audited: now.Add(-4 * time.Minute), Audits: 4120, Every: 12 * time.Minute, Mode: "enforce", Policy: "sha256:9f86d081884c7d65",
			Release: &fleet.Release{Channel: "stable", Version: 12, Stage: "active"},
		},
		Days: days(func(int) finding.Level { return finding.LevelOK }),
	}
	if change != nil {
		change(&s)
	}
	return s
}

// days are the last two weeks, by the level of each six hours; below zero nothing was observed.
func days(level func(i int) finding.Level) (list []overview.Day) {
	const step = 6 * time.Hour
	for i := range int(overview.Length / step) {
		if l := level(i); l >= 0 {
			from := now.Add(-overview.Length + time.Duration(i)*step)
			list = append(list, overview.Day{From: from, To: from.Add(step), Worst: l})
		}
	}
	return list
}

func found(invariant, subject string, severity finding.Severity, message string, age time.Duration) overview.Finding {
	return overview.Finding{Finding: finding.Finding{Invariant: invariant, Subject: subject, Effect: finding.Block, Severity: severity, Message: message, Evidence: map[string]any{}}, Since: now.Add(-age)}
}

// broken has a page and a ticket open.
func broken(s *overview.Source) {
	s.Findings = []overview.Finding{
		found("stack_running", "web.service", finding.Page, "web.service is active, and its container web is not running", 3*time.Hour),
		found("links_resolve", "web.service", finding.Ticket, "the drop-in web.service.d/limits.conf is a link to a file that does not exist", 30*time.Hour),
	}
	s.Beat.ExitCode, s.Beat.Open = 2, fleet.Counts{Page: 1, Ticket: 1}
	s.Beat.Worst = &fleet.Worst{Invariant: "stack_running", Subject: "web.service", Severity: "page", Message: s.Findings[0].Message, Since: s.Findings[0].Since}
	s.Days = days(func(i int) finding.Level { return map[bool]finding.Level{true: finding.LevelCritical}[i > 52] })
}

// sample has a source of every state, and what can be said of sources.
func sample() Input {
	waived := found("stack_running", "lab.service", finding.Page, "lab.service is not running", 50*time.Hour)
	waived.Waiver = &finding.Waiver{Reason: "moves to another disk", Owner: "grace", Until: now.Add(48 * time.Hour)}
	revoked := now.Add(-5 * 24 * time.Hour)
	sources := []overview.Source{
		source("attic", "ada", func(s *overview.Source) {
			broken(s)
			s.Received, s.Beat.Audited = now.Add(-26*time.Hour), now.Add(-26*time.Hour)
			s.Days = days(func(i int) finding.Level { return map[bool]finding.Level{true: -1}[i > 51] })
		}),
		source("build-7", "ci", func(s *overview.Source) { s.Fork = "there are two envelopes 4007" }),
		{Source: fleet.Source{Org: "acme", Host: "new", User: "ada"}, Enrolled: now.Add(-time.Hour), Key: "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"},
		source("den", "ada", broken),
		source("den", "media", func(s *overview.Source) { s.Beat.ExitCode, s.Beat.Open.Unknown = 3, 2 }),
		source("shop", "app", func(s *overview.Source) {
			s.Missing, s.Applied, s.AsOf = []fleet.Range{{From: 3990, To: 4009}, {From: 4020, To: 4020}}, 3989, now.Add(-9*time.Hour)
			s.Beat.Waiting, s.Refused, s.Refusal = 21, 3, "the signature is not \x1b[31mthat of its source"
		}),
		source("clock", "ada", func(s *overview.Source) { s.Clock = "its clock is 2h0m0s ahead" }),
		source("lab", "ada", func(s *overview.Source) { s.Findings, s.Beat.Open.Waived = []overview.Finding{waived}, 1 }),
		source("mail", "ada", func(s *overview.Source) {
			s.Beat.ExitCode, s.Beat.Open.Ticket = 1, 1
			s.Findings = []overview.Finding{found("policy_current", "host", finding.Ticket, "the rules are of release stable 11 and not 12", 5*time.Hour)}
			s.Beat.Release = &fleet.Release{Channel: "stable", Version: 11, Stage: "back", Problem: "release 12 paged about 2 findings that nobody predicted"}
		}),
		source("edge", "ada", func(s *overview.Source) {
			s.Beat.Shadow = &fleet.Shadow{Version: 13, Since: now.Add(-time.Hour), Audits: 6, NewPages: 1}
		}),
		source("old", "ada", func(s *overview.Source) { s.Revoked = &revoked }),
	}
	for i := range 5 {
		sources = append(sources, source(fmt.Sprintf("web-%d", i+1), "app", nil))
	}
	f := overview.Build(sources, now)
	f.Channels = []overview.Channel{{Name: "edge", Version: 3, Open: 1, Stages: 1}, {Name: "stable", Version: 13, Open: 1, Stages: 4, Halted: true, Reason: "it pages about every timer"}}
	f.Ends = []overview.End{{What: "the root", At: now.Add(300 * 24 * time.Hour), Do: "Renew it"}, {What: "the list of releases", At: now.Add(100 * time.Hour), Do: "Renew it: stackfleet release stage stable, then sign"}}
	return Input{Fleet: f, Width: 80, Version: "1.0.0", Steps: steps}
}

func steps(s overview.Source, f finding.Finding) []string {
	return []string{"Look at it as " + s.User + ": `systemctl --user status " + f.Subject + "`", "Start it: `systemctl --user start " + f.Subject + "`"}
}

// many is a fleet of n sources, of which some are not good.
func many(n int) Input {
	var sources []overview.Source
	for i := range n {
		var change func(*overview.Source)
		switch {
		case i%50 == 0:
			change = func(s *overview.Source) { s.Received = now.Add(-2 * time.Hour) }
		case i%5 == 0:
			change = broken
		default:
			change = func(s *overview.Source) {
				s.Days = days(func(d int) finding.Level { return finding.Level((d * (i + 1) / 7) % 5 / 3) })
			}
		}
		sources = append(sources, source(fmt.Sprintf("host-%04d.rack-%02d.example.net", i, i/40), "app", change))
	}
	return Input{Fleet: overview.Build(sources, now), Width: 80, Steps: steps}
}

// nasty are strings that mean to break out of a page, to have it run or fetch something, or to
// hide what they are; the last are as long as a name may be.
func nasty(server string) []string {
	run := "document.documentElement.dataset.owned=1;new Image().src='" + server + "/run'"
	return []string{
		"<script>" + run + "</script>",
		"</title></style></script><script src=" + server + "/src></script>",
		`"><img src=` + server + `/img onerror="` + run + `">`,
		`' onmouseover='` + run + `' autofocus onfocus='` + run + `' x='`,
		"</svg><svg onload=\"" + run + "\"><a href=\"javascript:" + run + "\">",
		"</td></tr></table><iframe src=" + server + "/frame></iframe>",
		"<meta http-equiv=refresh content='0;url=" + server + "/refresh'>",
		"javascript:" + run,
		"}</style>@import url(" + server + "/import);*{background:url(" + server + "/background)}",
		"{{.Title}} {{template \"page.css\"}} <!-- <![CDATA[ ]]> -->",
		"\x1b[2J\x07\x00 \u009b31m \xff\xfe",
		"\u202egpj.exe \u2066x\u2069 \u200b\u3164",
		"one\ntwo\r\nthree\tfour",
		strings.Repeat("very-long-", 500),
		strings.Repeat("x", 64), strings.Repeat("W.", 32), strings.Repeat("\x1b", 64), strings.Repeat("没", 21),
		"", ".", "..", "../../etc/passwd", "a%2Eb", "a b",
	}
}

// hostile has each nasty string in every place that takes one from a source.
func hostile(server string) Input {
	var sources []overview.Source
	for i, s := range nasty(server) {
		name := s[:min(len(s), 64)]
		sources = append(sources, source(name, name, func(x *overview.Source) {
			x.Fork, x.Clock, x.Boot, x.Program, x.Key, x.Page = s, s, s, s, s, s
			if i%3 != 0 {
				x.Fork = ""
			}
			x.Beat.ExitCode, x.Beat.Mode, x.Beat.Policy, x.Beat.Audits = i, s, s, -5
			x.Beat.Worst = &fleet.Worst{Invariant: s, Subject: s, Severity: s, Message: s}
			x.Beat.Release = &fleet.Release{Channel: s, Stage: s, Problem: s, Version: -1}
			x.Beat.Shadow = &fleet.Shadow{}
			f := found(s, s, finding.Severity(s), s, -time.Hour)
			f.Effect, f.Outcome, f.Runbook = finding.Effect(s), finding.Outcome(s), s
			waived := f
			waived.Waiver = &finding.Waiver{Reason: s, Owner: s}
			x.Findings = []overview.Finding{f, waived}
			x.Days = []overview.Day{{From: now, To: now.Add(-time.Hour), Worst: 99}, {From: now.Add(-time.Hour), To: now.Add(time.Hour), Worst: -9}}
		}))
	}
	in := Input{Fleet: overview.Build(sources, now), Width: 80, Version: "1"}
	for _, s := range nasty(server) {
		in.Channels = append(in.Channels, overview.Channel{Name: s, Version: -1, Halted: true, Reason: s})
		in.Ends = append(in.Ends, overview.End{What: s, At: now, Do: s})
	}
	in.Steps = func(s overview.Source, f finding.Finding) []string { return []string{f.Subject, "`" + f.Subject + "`"} }
	return in
}
