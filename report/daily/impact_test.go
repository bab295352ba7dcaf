package daily

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"stackpolicy/finding"
	"stackpolicy/replay"
	"stackpolicy/report"
)

func impact() report.Impact {
	at := func(h int) time.Time { return time.Date(2026, 5, 4, h, 0, 0, 0, time.UTC) }
	return report.Impact{Impact: replay.Impact{
		Since: at(0), Until: at(20), ExactUntil: at(12), Audits: 120, Documents: 9,
		Findings: []replay.Changed{{
			Invariant: "stack_running", Subject: "web<b>.service", Change: replay.Effect, Before: "heal/ticket", After: "block/page",
			Message: "web is down <script>", First: at(3), Last: at(6), Audits: 18,
		}},
		Alerts:  []replay.AlertChange{{At: at(3), Invariant: "stack_running", Subject: "web.service", Severity: finding.Page, Change: replay.New}},
		Actions: []replay.ActionChange{{At: at(12), Action: finding.Restart, Subject: "web.service", Change: replay.Gone}},
		Unknown: []replay.Unknown{{From: at(1), To: at(2), Audits: 3, Reason: "their facts are not kept any more"}},
		Strips: []replay.Strip{
			{Subject: finding.Host, Before: []replay.Spell{{From: at(1), To: at(20), Level: finding.LevelOK}}, After: []replay.Spell{{From: at(1), To: at(20), Level: finding.LevelOK}}},
			{
				Subject: "web<b>.service",
				Before:  []replay.Spell{{From: at(1), To: at(3), Level: finding.LevelOK}, {From: at(3), To: at(6), Level: finding.LevelWarning}, {From: at(6), To: at(20), Level: finding.LevelOK}},
				After:   []replay.Spell{{From: at(1), To: at(3), Level: finding.LevelOK}, {From: at(3), To: at(6), Level: finding.LevelCritical}, {From: at(9), To: at(20), Level: finding.LevelUnknown}},
			},
		},
	}}
}

// The page is one valid document with each subject twice, what changes first, and nothing of
// a name or message in it is taken for HTML.
func TestImpactPage(t *testing.T) {
	var out bytes.Buffer
	if err := WriteImpact(&out, impact()); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, want := range []string{
		"1 finding, 1 alert and 1 action would have been different", "From 2026-05-04 12:00 UTC on", "(a guess)",
		`the rules of then: `, `the other rules: `, "heal/ticket would have been block/page", "facts are not kept",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, "web<b>") || strings.Contains(page, "http:") {
		t.Error("something from outside is in it as HTML, or it needs something else")
	}
	if first, host := strings.Index(page, "differs"), strings.Index(page, "the same</span>"); first < 0 || host < first {
		t.Error("what changes does not come first")
	}
	if n := strings.Count(page, `class="strip"`); n != 4 {
		t.Errorf("%d strips, want 4", n)
	}
	d := xml.NewDecoder(strings.NewReader(strings.NewReplacer("<!doctype html>", "").Replace(page)))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	none := report.Impact{}
	out.Reset()
	if err := WriteImpact(&out, none); err != nil || !strings.Contains(out.String(), "othing would have been different") {
		t.Errorf("nothing: %v", err)
	}
}
