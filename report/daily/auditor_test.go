package daily

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
)

// TestAuditor: status says what starts audits, as text and for programs.
func TestAuditor(t *testing.T) {
	state := func(active, sub string) facts.Activity {
		return facts.Activity{LoadState: "loaded", ActiveState: active, SubState: sub}
	}
	by := func(timer facts.Activity, watch *facts.Activity) *facts.Document {
		return &facts.Document{Manager: &facts.Manager{AuditTimer: timer, Watch: watch}}
	}
	on, off := state("active", "waiting"), state("inactive", "dead")
	running, starting, reloading := state("active", "running"), state("activating", "start"), state("reloading", "reload")
	waiting, failed := state("activating", "auto-restart"), state("failed", "failed")
	for name, c := range map[string]struct {
		doc  *facts.Document
		want Auditor
	}{
		"no document":       {nil, ""},
		"no manager":        {&facts.Document{}, ""},
		"an old document":   {by(on, nil), ByTimer},
		"an old one, off":   {by(off, nil), ByNobody},
		"the watch":         {by(off, &running), ByWatch},
		"it starts":         {by(off, &starting), ByWatch},
		"it reloads":        {by(off, &reloading), ByWatch},
		"both":              {by(on, &running), ByWatch},
		"the watch failed":  {by(off, &failed), ByNobody},
		"it waits":          {by(off, &waiting), ByNobody},
		"only the timer":    {by(on, &failed), ByTimer},
		"the timer elapsed": {by(state("active", "elapsed"), &off), ByNobody},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := ReadStatus(t.Context(), audited{holder{facts.Memory{}, c.doc}}, today)
			if err != nil {
				t.Fatal(err)
			}
			var text, program strings.Builder
			if err := WriteStatus(&text, st); err != nil {
				t.Fatal(err)
			}
			if err := WriteStatusJSON(&program, st); err != nil {
				t.Fatal(err)
			}
			var out struct {
				AuditedBy Auditor `json:"audited_by"`
			}
			if err := json.Unmarshal([]byte(program.String()), &out); err != nil || out.AuditedBy != c.want {
				t.Errorf("audited by %q, want %q: %v", out.AuditedBy, c.want, err)
			}
			if says := strings.Contains(text.String(), " starts audits\n"); says != (c.want != "") || !strings.Contains(text.String(), c.want.words()+"\n") {
				t.Errorf("no %q in\n%s", c.want.words(), text.String())
			}
		})
	}
}

// audited has an audit of today.
type audited struct{ holder }

func (audited) LastAudit(context.Context) (*history.AuditSpan, error) {
	return &history.AuditSpan{From: today, To: today, Mode: "observe", DocumentDigest: "sha256:1"}, nil
}

func (audited) Occurrences(context.Context, time.Time, int) ([]history.Occurrence, error) {
	return nil, nil
}
