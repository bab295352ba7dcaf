package past

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

const (
	day  = 24 * time.Hour
	pace = 30 * time.Minute // between two audits; each audit finds something new
)

// Live writes a history of the days before now to a state folder. Before every audit a unit
// is restarted, and in every fifth audit it is unhealthy. Once a day there is a heal, and
// once a week all links are recreated. Policies decide each document, and nil decides
// nothing: the findings are then made up.
func Live(ctx context.Context, stateHome string, doc *facts.Document, now time.Time, days int, p *decide.Policies) error {
	return LiveThrough(ctx, stateHome, doc, now, days, p, func(*history.Store, time.Time) error { return nil })
}

// LiveThrough is [Live], and calls each after every audit.
func LiveThrough(ctx context.Context, stateHome string, doc *facts.Document, now time.Time, days int, p *decide.Policies, each func(*history.Store, time.Time) error) error {
	begin := now.Add(-time.Duration(days) * day)
	s, err := history.Open(ctx, stateHome, begin)
	if err != nil {
		return err
	}
	for i := range days * int(day/pace) {
		at := begin.Add(time.Duration(i) * pace)
		if err = recordAudit(ctx, s, doc, i, at, p); err == nil {
			err = each(s, at)
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, s.Close())
}

func recordAudit(ctx context.Context, s *history.Store, doc *facts.Document, i int, at time.Time, p *decide.Policies) error {
	const perDay = int(day / pace)
	units := managed(doc)
	restarted := units[i%len(units)]
	restarted.Loaded.ActiveSince = &at
	if i%(7*perDay) == 0 {
		for _, u := range units {
			for f := range u.Files {
				u.Files[f].FirstHop = fmt.Sprintf("/nix/store/%032x/%s", i, u.Name)
			}
		}
	}
	audit := history.Audit{At: at, Mode: "enforce", PolicyDigest: "sha256:policies", DurationMS: 40, Document: doc}
	unwell := i%5 == 2
	if unwell {
		audit.ExitCode = 2
		audit.Findings = append(audit.Findings, finding.Finding{
			Invariant: "stack_running", Subject: restarted.Name, Effect: "block", Severity: "page",
			Message: restarted.Name + " is unhealthy", Evidence: map[string]any{"case": "unhealthy"},
		})
	}
	if p != nil {
		if err := judge(ctx, p, &audit, restarted, unwell); err != nil {
			return err
		}
	}
	if i%perDay == 0 {
		if err := heal(ctx, s, doc, restarted.Name, at); err != nil {
			return err
		}
	}
	changes, err := s.Record(ctx, audit)
	if err != nil {
		return err
	}
	return recordSent(ctx, s, changes, at)
}

// judge decides the document of an audit, in which the first container of a unit is well or
// not.
func judge(ctx context.Context, p *decide.Policies, a *history.Audit, unit *facts.Unit, unwell bool) error {
	if len(unit.Containers) > 0 {
		unit.Containers = slices.Clone(unit.Containers)
		unit.Containers[0].Health = "healthy"
		if unwell {
			unit.Containers[0].Health = "unhealthy"
		}
	}
	a.Document.CollectedAt = a.At
	result, err := p.Decide(ctx, a.Document)
	if err != nil {
		return err
	}
	a.Findings = slices.DeleteFunc(slices.Clone(result.Decisions), finding.Finding.IsAllowed)
	a.Verdict, a.PolicyDigest = result.Digest(), p.Digest()
	a.Rules = func() ([]byte, error) { return json.Marshal(p.Source().Files) }
	return nil
}

// managed returns pointers to the managed units that are loaded.
func managed(doc *facts.Document) (units []*facts.Unit) {
	for i := range doc.Units {
		if u := &doc.Units[i]; u.IsManaged() && u.Loaded != nil {
			units = append(units, u)
		}
	}
	return units
}

func heal(ctx context.Context, s *history.Store, doc *facts.Document, unit string, at time.Time) error {
	reason := history.Reason{Invariant: "loaded_is_current", Subject: unit, Case: "stale"}
	a := history.Action{At: at, Action: "daemon-reload", Subject: "host", Reasons: []history.Reason{reason}}
	id, err := s.Intend(ctx, a, doc)
	if err == nil {
		err = s.Conclude(ctx, id, history.Done, "", 60)
	}
	if err == nil {
		err = s.Verified(ctx, id, true, doc)
	}
	return err
}

// recordSent records that the changes were sent to the journal.
func recordSent(ctx context.Context, s *history.Store, changes history.Changes, at time.Time) error {
	var messages []history.Message
	for _, x := range append(changes.Appeared, changes.Resolved...) {
		key, kind := strconv.FormatInt(x.ID, 10)+at.String(), "firing"
		if x.ResolvedAt != nil {
			kind = "resolved"
		}
		messages = append(messages, history.Message{
			Sink: "journal", Key: key, Kind: kind, Occurrence: x.ID, Body: []byte("{}"), CreatedAt: at, NextTry: at,
		})
	}
	if len(messages) == 0 {
		return nil
	}
	if err := s.Enqueue(ctx, messages); err != nil {
		return err
	}
	due, err := s.Due(ctx, at, len(messages))
	for _, m := range due {
		err = errors.Join(err, s.Delivered(ctx, m.ID, at))
	}
	return err
}
