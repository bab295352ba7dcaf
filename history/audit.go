package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

// Audit is a complete audit: of every unit, not of named ones.
type Audit struct {
	At           time.Time // when its document was collected
	Mode         string    // observe or enforce
	ExitCode     int
	PolicyDigest string
	DurationMS   int64
	Document     *facts.Document // as last collected
	Gaps         []string
	Findings     []finding.Finding // open at its end, waived ones included; no allows
	Healed       []finding.Finding // found and healed by this audit
	Verdict      string            // digest of what was decided of the document; "" is not known
	// Rules returns the files of the policies, and nil keeps none. It is only called where
	// those of this digest are not kept.
	Rules func() ([]byte, error)
}

// maxPause is the longest pause between two audits of one span: a machine that was
// off was not audited.
const maxPause = time.Hour

// Record adds an audit, in one transaction. A finding stays open while its
// invariant cannot be decided.
func (l AuditLog) Record(ctx context.Context, a Audit) (Changes, error) {
	changes, err := l.record(ctx, a)
	if err != nil {
		return Changes{}, fmt.Errorf("record the audit: %w", err)
	}
	return changes, nil
}

func (l AuditLog) record(ctx context.Context, a Audit) (changes Changes, err error) {
	if a.Document == nil {
		return changes, errors.New("it has no document")
	}
	a.At = a.At.UTC()
	doc, err := pack(a.Document)
	if err != nil {
		return changes, err
	}
	now, err := a.span()
	if err != nil {
		return changes, err
	}
	err = l.db.Update(ctx, func(tx sqlite.Tx) error {
		last, err := lastSpan(tx)
		if err != nil {
			return err
		}
		if changes, err = reconcile(tx, a, last); err != nil {
			return err
		}
		if err := learnLoads(tx, a.Document, a.At); err != nil {
			return err
		}
		now.total = last.total + 1
		if now.document, err = keepDocument(tx, &doc); err != nil {
			return err
		}
		if err := keepRules(tx, a); err != nil {
			return err
		}
		if last.verdict, err = verdictOf(tx, last); err != nil {
			return err
		}
		return extendSpans(tx, last, now, changes.none())
	})
	return changes, err
}

// span is a row of spans. Its id is 0 when there is no such row.
type span struct {
	id, first, last, count, total int64
	mode                          string
	exitCode                      int
	policy                        string
	document                      sql.NullInt64
	gaps                          string
	durationMS                    int64
	verdict                       string
}

// span returns a span of this audit alone.
func (a Audit) span() (span, error) {
	at := sqlite.Stamp(a.At)
	gaps, err := sqlite.Encode(append([]string{}, a.Gaps...))
	return span{
		first: at, last: at, count: 1, mode: a.Mode, exitCode: a.ExitCode,
		policy: a.PolicyDigest, gaps: gaps, durationMS: a.DurationMS, verdict: a.Verdict,
	}, err
}

func lastSpan(tx sqlite.Tx) (span, error) {
	var x span
	err := tx.One(`SELECT id, first, last, count, total, mode, exit_code, policy, document, gaps, duration_ms
		FROM spans ORDER BY id DESC LIMIT 1`).
		Scan(&x.id, &x.first, &x.last, &x.count, &x.total, &x.mode, &x.exitCode, &x.policy, &x.document, &x.gaps, &x.durationMS)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return x, err
}

// extendSpans adds an audit to the last span if its result is the same, and otherwise begins
// a new span.
func extendSpans(tx sqlite.Tx, last, now span, nothingChanged bool) error {
	if nothingChanged && last.sameAs(now) {
		return tx.Do("UPDATE spans SET last = ?, count = count + 1, total = ?, duration_ms = ? WHERE id = ?",
			now.last, now.total, now.durationMS, last.id)
	}
	return tx.Do(`INSERT INTO spans (first, last, count, total, mode, exit_code, policy, document, gaps, duration_ms, verdict)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, now.first, now.last, now.count, now.total,
		now.mode, now.exitCode, now.policy, now.document, now.gaps, now.durationMS, now.verdict)
}

// sameAs reports whether now continues the span. If the clock was set back it does
// not, so that no span ends before it begins.
func (x span) sameAs(now span) bool {
	pause := now.first - x.last
	return x.id != 0 && pause >= 0 && pause <= int64(maxPause) &&
		x.mode == now.mode && x.exitCode == now.exitCode && x.policy == now.policy &&
		x.document == now.document && x.gaps == now.gaps && x.verdict == now.verdict
}

// verdictOf returns the digest of what the audits of a span decided; older versions have none.
func verdictOf(tx sqlite.Tx, x span) (verdict string, err error) {
	err = tx.One("SELECT verdict FROM spans WHERE id = ?", x.id).Scan(&verdict)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return verdict, err
}

// keepRules stores the files of the policies, once.
func keepRules(tx sqlite.Tx, a Audit) error {
	var known int
	err := tx.One("SELECT count(*) FROM rules WHERE digest = ?", a.PolicyDigest).Scan(&known)
	if err != nil || known > 0 || a.Rules == nil {
		return err
	}
	files, err := a.Rules()
	if err != nil {
		return err
	}
	return tx.Do("INSERT INTO rules (digest, files) VALUES (?, ?)", a.PolicyDigest, new(press).press(files))
}

// Rules returns the files of the policies with which an audit decided, as they were given to
// Record. If they are not kept, the error is [fs.ErrNotExist].
func (l AuditLog) Rules(ctx context.Context, digest string) ([]byte, error) {
	var kept part
	err := l.db.View(ctx, func(tx sqlite.Tx) (err error) {
		if l.version < version {
			return fs.ErrNotExist
		}
		kept, err = unpack(tx.One("SELECT files FROM rules WHERE digest = ?", digest))
		if errors.Is(err, sql.ErrNoRows) {
			return fs.ErrNotExist
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the policies %q of the history: %w", digest, err)
	}
	return kept.text, nil
}
