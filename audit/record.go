package audit

import (
	"context"
	"encoding/json"

	"stackpolicy/enforce"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// Store remembers audits and actions; [history.Store] is one.
type Store interface {
	enforce.Ledger
	enforce.Breakers
	Record(ctx context.Context, a history.Audit) (history.Changes, error)
}

// record records the audit, with the document that was collected last, and reports
// whether that succeeded. If it fails, the report gets a gap: the next audit will not know
// of this one. Without a store the facts already have that gap.
func (r *run) record(ctx context.Context, result Result, last enforce.Observation) bool {
	if r.Store == nil {
		return false
	}
	report := result.Report
	audit := history.Audit{
		At: report.CollectedAt, Mode: report.Mode, ExitCode: report.ExitCode, PolicyDigest: report.Policy.Digest,
		DurationMS: result.Duration.Milliseconds(), Document: last.Document, Verdict: last.Result.Digest(),
		Rules: func() ([]byte, error) { return json.Marshal(result.Policies.Source().Files) },
	}
	for _, g := range report.Gaps {
		audit.Gaps = append(audit.Gaps, g.Collector+": "+g.Error)
	}
	for _, f := range report.Open() {
		if f.Outcome == finding.Healed {
			audit.Healed = append(audit.Healed, f)
		} else {
			audit.Findings = append(audit.Findings, f)
		}
	}
	if _, err := r.Store.Record(context.WithoutCancel(ctx), audit); err != nil {
		report.addGap(notRemembered(err))
		return false
	}
	return true
}
