package schemas_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/overview"
	"stackpolicy/fleet/questions"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
	"stackpolicy/internal/output"
	"stackpolicy/replay"
	"stackpolicy/report/daily"
	report "stackpolicy/report/fleet"
)

var (
	aTime   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	aSource = fleet.Source{Org: "acme", Host: "den", User: "ada"}
)

// A fleet fits its schema: an empty one, and one whose sources have all that a source can have.
func TestFleetFits(t *testing.T) {
	now := aTime
	full := overview.Source{
		Source: aSource, Key: "SHA256:x", Enrolled: now, Revoked: &now, Received: now, Newest: 9, Applied: 2,
		Missing: []fleet.Range{{From: 3, To: 4}}, Fork: "x", Clock: "x", Refused: 1, Boot: "x", Program: "x", AsOf: now, Page: "den.html",
		Beat:     fleet.Beat{Audited: now, Worst: &fleet.Worst{}, Release: &fleet.Release{}, Shadow: &fleet.Shadow{}},
		Findings: []overview.Finding{{Finding: finding.Finding{Waiver: &finding.Waiver{}}, Since: now}}, Days: []overview.Day{{From: now, To: now}},
	}
	schema := compiled(t, "v1/fleet.json")
	fits(t, schema, overview.Build(nil, now))
	fits(t, schema, overview.Build([]overview.Source{full, {}}, now))
}

// What the other verbs of stackfleet write fits its schema: of an empty fleet, of one with all that
// there can be, and of a source that cannot be told of.
func TestOutputOfStackfleetFits(t *testing.T) {
	t.Run("members", func(t *testing.T) {
		writes(t, "v1/fleet-members.json", report.MemberFormats(), nil, []report.Member{{Source: aSource}, {Source: aSource, Revoked: &aTime, CanConnect: true}})
	})
	t.Run("verify", func(t *testing.T) {
		some := []fleet.Range{{From: 1, To: 2}}
		writes(t, "v1/fleet-verify.json", report.VerifyFormats(), nil, []archive.Verified{
			{Source: aSource, Missing: some, Accepted: some, Changed: []uint64{7}, Forks: 1, Lost: 1},
			{Source: aSource, Missing: []fleet.Range{}, Accepted: []fleet.Range{}, Changed: []uint64{}},
		})
	})
	t.Run("ask", func(t *testing.T) {
		writes(t, "v1/fleet-answers.json", report.AnswerFormats(), questions.SortAnswers("q", nil), questions.SortAnswers("q", []questions.SourceAnswer{
			{Source: aSource, At: aTime, Answers: []json.RawMessage{[]byte("1"), []byte(`{"a": [null, true]}`), []byte(`"x"`)}},
			{Source: aSource, Error: "no document"},
		}))
	})
	t.Run("impact", func(t *testing.T) {
		writes(t, "v1/fleet-impact.json", report.ImpactFormats(), questions.Sum(aTime, nil), questions.Sum(aTime, []questions.SourceImpact{
			{Source: aSource, Impact: replay.Impact{
				Findings: []replay.Changed{{Change: replay.New}}, Alerts: []replay.AlertChange{{Severity: finding.Page}},
				Actions: []replay.ActionChange{{}}, Unknown: []replay.Unknown{{}},
			}},
			{Source: aSource, Error: "no evidence"},
		}))
	})
}

// What status writes fits its schema, of a host and of one that is a member of a fleet.
func TestStatusFits(t *testing.T) {
	audit := &history.AuditSpan{From: aTime, To: aTime, Count: 1}
	open := history.Occurrence{Finding: finding.Finding{Evidence: map[string]any{"a": 1}, Waiver: &finding.Waiver{Until: aTime}}, ResolvedAt: &aTime}
	waiting := spool.Waiting{Confirmed: aTime, Reached: aTime, Audits: 1, Since: aTime}
	writes(t, "v1/status.json", daily.StatusFormats(), daily.Status{Now: aTime}, daily.Status{Now: aTime, Member: &daily.Member{Problem: "x"}}, daily.Status{
		Now: aTime, LastAudit: audit, Occurrences: []history.Occurrence{open}, Holds: []facts.Hold{{}}, AuditedBy: daily.ByTimer,
		Member: &daily.Member{Source: aSource, Hub: []string{"hub:4222"}, Enrolled: aTime, Waiting: waiting},
	})
}

// writes checks the JSON of values.
func writes[T any](t *testing.T, file string, formats []output.Format[T], values ...T) {
	t.Helper()
	schema, checked := compiled(t, file), 0
	for _, f := range formats {
		if f.Name != "json" {
			continue
		}
		for _, v := range values {
			var out bytes.Buffer
			if err := f.Write(&out, v); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(decoded(t, out.Bytes())); err != nil {
				t.Errorf("%v\n%s", err, &out)
			}
			checked++
		}
	}
	if checked != len(values) {
		t.Errorf("%d of %d were written", checked, len(values))
	}
}
