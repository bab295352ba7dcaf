package audit

import (
	"context"

	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// Store remembers audits and actions; [history.Store] is one.
type Store interface {
	enforce.Ledger
	enforce.Breakers
	Record(ctx context.Context, a history.Audit) (history.Changes, error)
}

// isRecorded reports whether the history keeps this audit: only one of every
// unit can say that a finding is gone.
func (r *run) isRecorded() bool { return r.Store != nil && len(r.Units) == 0 }

// record records the audit, with the document as last collected, and returns the
// changes. If it fails, the report gets a gap: the next audit will not know of this
// one.
func (r *run) record(ctx context.Context, result Result, last *facts.Document) history.Changes {
	report := result.Report
	audit := history.Audit{
		At: report.CollectedAt, Mode: report.Mode, ExitCode: report.ExitCode, PolicyDigest: report.Policy.Digest,
		DurationMS: result.Duration.Milliseconds(), Document: last,
	}
	for _, g := range report.Gaps {
		audit.Gaps = append(audit.Gaps, g.Collector+": "+g.Error)
	}
	for _, f := range report.Decisions {
		switch {
		case f.IsAllowed():
		case f.Outcome == finding.Healed:
			audit.Healed = append(audit.Healed, f)
		default:
			audit.Findings = append(audit.Findings, f)
		}
	}
	changes, err := r.Store.Record(context.WithoutCancel(ctx), audit)
	if err != nil {
		report.addGap(notRemembered(err))
	}
	return changes
}

func notRemembered(err error) Gap { return Gap{"history", "not remembered: " + err.Error()} }

func (r *run) tell(ctx context.Context, result Result) {
	if r.Tell != nil {
		r.Tell(ctx, result)
	}
}
