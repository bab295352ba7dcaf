// Package export writes a month of what the archive of a fleet has as Parquet, for other tools.
//
// Start at [Month].
package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/parquet-go/parquet-go"

	"stackpolicy/fleet/archive"
	"stackpolicy/history"
	"stackpolicy/internal/atomicfile"
)

// The source is in the first columns of every table.
type source struct {
	Org  string `parquet:"org,dict"`
	Host string `parquet:"host,dict"`
	User string `parquet:"user,dict"`
	Key  string `parquet:"key,dict"` // fingerprint of the key of its evidence
}

// Audit is a row of audits.parquet: audits with the same result, which ended in the month.
type Audit struct {
	source
	From       time.Time `parquet:"from,timestamp(microsecond)"`
	To         time.Time `parquet:"to,timestamp(microsecond)"`
	Count      int64     `parquet:"count"`
	Mode       string    `parquet:"mode,dict"`
	ExitCode   int32     `parquet:"exit_code"`
	Policy     string    `parquet:"policy_digest,dict"`
	Document   string    `parquet:"document_digest"` // "" if it is not kept
	Verdict    string    `parquet:"verdict_digest"`
	DurationMS int64     `parquet:"duration_ms"`
	Gaps       []string  `parquet:"gaps,list"`
}

// Finding is a row of findings.parquet: one that was open in the month.
type Finding struct {
	source
	ID          int64      `parquet:"id"` // of its source
	Invariant   string     `parquet:"invariant,dict"`
	Subject     string     `parquet:"subject,dict"`
	Case        string     `parquet:"case,dict"`
	Effect      string     `parquet:"effect,dict"`
	Severity    string     `parquet:"severity,dict"`
	Outcome     string     `parquet:"outcome,dict"`
	Message     string     `parquet:"message"`
	Since       time.Time  `parquet:"since,timestamp(microsecond)"`
	LastSeen    time.Time  `parquet:"last_seen,timestamp(microsecond)"`
	ResolvedAt  *time.Time `parquet:"resolved_at,optional,timestamp(microsecond)"`
	WaivedUntil *time.Time `parquet:"waived_until,optional,timestamp(microsecond)"`
	Evidence    string     `parquet:"evidence,json"`
}

// Action is a row of actions.parquet: one that began in the month.
type Action struct {
	source
	ID         int64     `parquet:"id"` // of its source
	At         time.Time `parquet:"at,timestamp(microsecond)"`
	Action     string    `parquet:"action,dict"`
	Subject    string    `parquet:"subject,dict"`
	Status     string    `parquet:"status,dict"`
	Healed     *bool     `parquet:"healed,optional"`
	Message    string    `parquet:"message"`
	DurationMS int64     `parquet:"duration_ms"`
	Reasons    string    `parquet:"reasons,json"`
}

// maxRows bounds what is read of one source and table: more than years of audits have.
const maxRows = 1_000_000

// Names of the files.
const (
	Audits   = "audits.parquet"
	Findings = "findings.parquet"
	Actions  = "actions.parquet"
)

// Month writes the month that begins at a time to a folder, in three files, each whole or not
// at all. Times are in UTC.
func Month(ctx context.Context, a *archive.Archive, begin time.Time, dir string) error {
	begin = time.Date(begin.Year(), begin.Month(), 1, 0, 0, 0, 0, time.UTC)
	m := month{ctx, a, begin, begin.AddDate(0, 1, 0)}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return errors.Join(
		table(filepath.Join(dir, Audits), m, m.audits),
		table(filepath.Join(dir, Findings), m, m.findings),
		table(filepath.Join(dir, Actions), m, m.actions),
	)
}

// month reads one of each source.
type month struct {
	ctx        context.Context
	archive    *archive.Archive
	begin, end time.Time // the end is not in it
}

func (m month) has(t time.Time) bool { return !t.Before(m.begin) && t.Before(m.end) }

// table writes the rows of all sources to a file, one source after the other.
func table[T any](path string, m month, rows func(source, *history.Store) ([]T, error)) error {
	memories, err := m.archive.Memories(m.ctx)
	if err != nil {
		return err
	}
	err = atomicfile.Write(path, 0o644, func(w io.Writer) error {
		out := parquet.NewGenericWriter[T](w, parquet.Compression(&parquet.Zstd))
		for _, of := range memories {
			if err := m.memory(of, func(s *history.Store) error {
				list, err := rows(source{of.Org, of.Host, of.User, of.Key.Fingerprint()}, s)
				if err == nil {
					_, err = out.Write(list)
				}
				return err
			}); err != nil {
				return fmt.Errorf("%s of %s: %w", of.User, of.Host, err)
			}
		}
		return out.Close()
	})
	if err != nil {
		return fmt.Errorf("export to %s: %w", path, err)
	}
	return nil
}

func (m month) memory(of archive.Memory, read func(*history.Store) error) error {
	store, err := history.OpenReadOnly(m.ctx, of.Home)
	if err != nil {
		return err
	}
	return errors.Join(read(store), store.Close())
}

func (m month) audits(from source, s *history.Store) (rows []Audit, err error) {
	spans, err := s.Audits(m.ctx, m.begin, maxRows)
	for _, x := range spans {
		if m.has(x.To) {
			rows = append(rows, Audit{
				from, x.From, x.To, int64(x.Count), x.Mode, int32(x.ExitCode), x.PolicyDigest, x.DocumentDigest, x.VerdictDigest, x.DurationMS, x.Gaps,
			})
		}
	}
	return rows, err
}

func (m month) findings(from source, s *history.Store) (rows []Finding, err error) {
	all, err := s.Occurrences(m.ctx, m.begin, maxRows)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if !x.Since.Before(m.end) {
			continue
		}
		evidence, err := json.Marshal(x.PublicEvidence())
		if err != nil {
			return nil, err
		}
		row := Finding{
			source: from, ID: x.ID, Invariant: x.Invariant, Subject: x.Subject, Case: x.Case(), Effect: string(x.Effect), Severity: string(x.Severity),
			Outcome: string(x.Outcome), Message: x.Message, Since: x.Since, LastSeen: x.LastSeen, ResolvedAt: x.ResolvedAt, Evidence: string(evidence),
		}
		if x.Waiver != nil {
			row.WaivedUntil = &x.Waiver.Until
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (m month) actions(from source, s *history.Store) (rows []Action, err error) {
	all, err := s.Actions(m.ctx, m.begin, maxRows)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		reasons, err := json.Marshal(x.Reasons)
		if err != nil {
			return nil, err
		}
		if m.has(x.At) {
			rows = append(rows, Action{from, x.ID, x.At, string(x.Action), x.Subject, x.Status, x.Healed, x.Message, x.DurationMS, string(reasons)})
		}
	}
	return rows, nil
}
