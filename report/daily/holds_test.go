package daily

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/history"
)

// holder has a memory, and the document of the last audit.
type holder struct {
	memory facts.Memory
	doc    *facts.Document
}

func (h holder) Recall(context.Context, time.Time) (facts.Memory, error) { return h.memory, nil }

func (h holder) Document(context.Context, string, time.Time) (*facts.Document, error) {
	if h.doc == nil {
		return nil, fs.ErrNotExist
	}
	return h.doc, nil
}

func TestReadHolds(t *testing.T) {
	hold := func(reason string, end time.Duration, declared bool) facts.History {
		return facts.History{Exemptions: []facts.Exemption{{Reason: reason, Owner: "ada", Until: today.Add(end), Declared: declared}}}
	}
	last := &history.AuditSpan{DocumentDigest: "sha256:1"}
	seen := func(h facts.History) *facts.Document {
		return &facts.Document{Units: []facts.Unit{{Name: "db.service"}, {Name: "web.service", History: &h}}}
	}
	by := func(h facts.History) facts.Memory {
		return facts.Memory{Subjects: map[string]facts.History{"web.service": h}}
	}
	for name, c := range map[string]struct {
		holder holder
		last   *history.AuditSpan
		want   string // reason; "" is no hold
	}{
		"by command":              {holder{by(hold("disk", time.Hour, false)), nil}, nil, "disk"},
		"by command, over":        {holder{by(hold("disk", 0, false)), nil}, nil, ""},
		"released since":          {holder{facts.Memory{}, seen(hold("disk", time.Hour, false))}, last, ""},
		"declared":                {holder{facts.Memory{}, seen(hold("disk", time.Hour, true))}, last, "disk"},
		"declared, over":          {holder{facts.Memory{}, seen(hold("disk", 0, true))}, last, ""},
		"both":                    {holder{by(hold("command", time.Hour, false)), seen(hold("declared", time.Hour, true))}, last, "command"},
		"no document is kept":     {holder{facts.Memory{}, nil}, last, ""},
		"the audit did not begin": {holder{by(hold("disk", time.Hour, false)), nil}, &history.AuditSpan{}, "disk"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := lastDocument(t.Context(), c.holder, c.last)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readHolds(t.Context(), c.holder, doc, today)
			if err != nil {
				t.Fatal(err)
			}
			var want []facts.Hold
			if c.want != "" {
				want = []facts.Hold{{Unit: "web.service", Reason: c.want, Owner: "ada", Until: today.Add(time.Hour)}}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestReadHoldsFails(t *testing.T) {
	last := &history.AuditSpan{DocumentDigest: "sha256:1"}
	if _, err := lastDocument(t.Context(), unreadable{"declared holds"}, last); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
}

// TestHoldsAreShown checks that status and the report name a held unit, its end, its owner
// and the reason.
func TestHoldsAreShown(t *testing.T) {
	until := today.Add(time.Hour)
	history := &facts.History{Exemptions: []facts.Exemption{{Reason: "new\x1b[2J disk", Owner: "ada", Until: until}}}
	var status, report strings.Builder
	if err := WriteStatus(&status, Status{Now: today, Holds: []facts.Hold{{Unit: "web.service", Reason: "new\x1b[2J disk", Owner: "ada", Until: until}}}); err != nil {
		t.Fatal(err)
	}
	want := `  held: web.service until ` + until.UTC().Format(time.RFC3339) + ` by ada: new\x1b[2J disk`
	if !strings.Contains(status.String(), want) {
		t.Errorf("status without %q:\n%s", want, status.String())
	}
	m := Model{Held: held(&facts.Document{Units: []facts.Unit{{Name: "web.service", History: history}}}, clock{today})}
	if err := WriteText(&report, m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"web.service", `reason: new\x1b[2J disk`, "owner: ada", "until: "} {
		if !strings.Contains(report.String(), want) {
			t.Errorf("report without %q:\n%s", want, report.String())
		}
	}
	if rows := held(nil, clock{today}).Rows; len(rows) > 0 {
		t.Errorf("without a document: %v", rows)
	}
}
