package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

const (
	day  = 24 * time.Hour
	pace = 30 * time.Minute // between two audits of the past, which all see something new
)

// remembering: an audit of 50 units with a year behind it, and with nothing.
func (b *bench) remembering(ctx context.Context) ([]row, error) {
	const units = 50
	s, err := b.openStage(ctx, units)
	if err != nil {
		return nil, err
	}
	defer s.close(b)
	doc, err := s.record(ctx, b, units)
	if err != nil {
		return nil, err
	}
	b.say("live a year of %d units", units)
	lived := filepath.Join(b.scratch, "lived")
	if err := live(ctx, lived, doc, time.Now(), 365); err != nil {
		return nil, err
	}
	info, err := os.Stat(history.Path(lived))
	if err != nil {
		return nil, fmt.Errorf("look at the memory: %w", err)
	}
	b.say("it takes %.1f MB", float64(info.Size())/1e6)
	year, err1 := s.stateHome("year", history.Path(lived))
	empty, err2 := s.stateHome("empty", "")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := s.agree(ctx, b.auditWith(year), b.auditWith(empty), countReport); err != nil {
		return nil, err
	}
	took, err := s.race(ctx, 2*b.short, b.auditWith(year), b.auditWith(empty))
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "e", about: "50 units, a year recalled", against: "an empty one", unit: "s", bound: 1.1,
		ours: seconds(took[0]), theirs: seconds(took[1]),
	}}, nil
}

// auditWith is an audit that remembers below stateHome.
func (t tools) auditWith(stateHome string) contestant {
	c := t.audit()
	c.argv = append([]string{"env", "XDG_STATE_HOME=" + stateHome}, c.argv...)
	return c
}

// stateHome makes one more state folder of the account, where everything else
// is as in the first one. An empty memory is no file.
func (s *stage) stateHome(name, memory string) (string, error) {
	first, home := filepath.Join(s.Home, ".local/state"), filepath.Join(s.Home, name)
	entries, err := os.ReadDir(first)
	if err != nil {
		return "", fmt.Errorf("make a state folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == "stackpolicy" {
			continue
		}
		if err := s.Link(filepath.Join(first, e.Name()), filepath.Join(home, e.Name())); err != nil {
			return "", fmt.Errorf("make a state folder: %w", err)
		}
	}
	if memory == "" {
		return home, nil
	}
	text, err := os.ReadFile(memory) // some tens of megabytes at most
	if err == nil {
		err = s.Write(history.Path(home), string(text))
	}
	if err != nil {
		return "", fmt.Errorf("hand over the memory: %w", err)
	}
	return home, nil
}

// live records the days before now: at each audit a unit was restarted, at each
// fifth it is unhealthy; once a day a heal is done, and once a week all links are
// recreated.
func live(ctx context.Context, stateHome string, doc *facts.Document, now time.Time, days int) error {
	begin := now.Add(-time.Duration(days) * day)
	s, err := history.Open(ctx, stateHome, begin)
	if err != nil {
		return err
	}
	for i := range days * int(day/pace) {
		if err = liveOn(ctx, s, doc, i, begin.Add(time.Duration(i)*pace)); err != nil {
			break
		}
	}
	return errors.Join(err, s.Close())
}

func liveOn(ctx context.Context, s *history.Store, doc *facts.Document, i int, at time.Time) error {
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
	if i%perDay == 0 {
		if err := heal(ctx, s, doc, restarted.Name, at); err != nil {
			return err
		}
	}
	changes, err := s.Record(ctx, audit)
	if err != nil {
		return err
	}
	return told(ctx, s, changes, at)
}

// managed are the units that are loaded, to be changed in place.
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

// told records that the changes were sent to the journal.
func told(ctx context.Context, s *history.Store, changes history.Changes, at time.Time) error {
	var messages []history.Message
	for _, x := range append(changes.Appeared, changes.Resolved...) {
		key := strconv.FormatInt(x.ID, 10) + at.String()
		messages = append(messages, history.Message{
			Sink: "journal", Key: key, Kind: "firing", Occurrence: x.ID, Body: []byte("{}"), CreatedAt: at, NextTry: at,
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
