package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
	"stackpolicy/lab/bench/past"
	"stackpolicy/policies"
)

// letter is an envelope of a history, before a host signs it.
type letter struct {
	at       time.Time
	beat     fleet.Beat
	evidence json.RawMessage
}

// source is a simulated host.
type source struct {
	fleet.Source
	key     fleet.Key
	letters []letter
	seq     uint64
	prev    fleet.Digest
}

// histories makes the histories that hosts share, two at a time.
func (b *bench) histories(ctx context.Context) error {
	b.letters = make([][]letter, b.options.histories)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i := range b.letters {
		group.Go(func() (err error) {
			b.letters[i], err = b.history(ctx, i)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, l := range b.letters {
		b.perHistory = len(l)
	}
	b.say("%d histories of %d days: %d envelopes each", len(b.letters), b.days, b.perHistory)
	return nil
}

// history lets a host live, and takes what it would send after each audit.
func (b *bench) history(ctx context.Context, i int) (letters []letter, err error) {
	doc, err := document(b.facts, i, b.units)
	if err != nil {
		return nil, err
	}
	rules, err := decide.LoadSource(ctx, policy.Open(policies.FS, ""), decide.Options{Trusted: true, Memory: decide.NewMemory()})
	if err != nil {
		return nil, err
	}
	cursor, numbers := history.Cursor{}, map[string]int64{}
	home := filepath.Join(b.folder, fmt.Sprint("history", i))
	err = past.LiveThrough(ctx, home, doc, b.now, b.days, rules, func(s *history.Store, at time.Time) error {
		for more := true; more; {
			e, err := s.Export(ctx, cursor, func(key string) (int64, error) { return numbers[key], nil }, history.Room{Bytes: history.MaxPackedPart, Rows: 500})
			if err != nil {
				return err
			}
			cursor, more = e.Cursor, e.More
			for _, n := range e.Numbered {
				numbers[n.Key] = n.Number
			}
			beat, err1 := spool.BeatOf(ctx, s, at)
			text, err2 := json.Marshal(e.Shipment)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			letters = append(letters, letter{at, beat, text})
		}
		return nil
	})
	return letters, err
}

// document reads the document to begin with, and copies its managed units under other names.
func document(path string, history, units int) (*facts.Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := facts.Read(path, f)
	if err != nil {
		return nil, err
	}
	var originals, all []facts.Unit
	for _, u := range doc.Units {
		if u.IsManaged() && u.Loaded != nil {
			originals = append(originals, u)
		}
	}
	for i := range units {
		u, err := renamed(originals[i%len(originals)], fmt.Sprintf("h%02du%03d", history, i))
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	doc.Units = all
	return doc, nil
}

func renamed(u facts.Unit, name string) (out facts.Unit, err error) {
	text, err := json.Marshal(u)
	if err != nil {
		return out, err
	}
	stem, _, _ := strings.Cut(u.Name, ".")
	return out, json.Unmarshal([]byte(strings.ReplaceAll(string(text), stem, name)), &out)
}

// seal seals the next envelope of a source.
func (s *source) seal() ([]byte, error) {
	l := s.letters[s.seq]
	s.seq++
	sealed, err := s.key.Seal(fleet.Envelope{
		Source: s.Source, Seq: s.seq, Prev: s.prev, At: l.at, Boot: "9d56f942-b149-4a7f-af75-000000000000", Program: "0.1.0", Beat: l.beat, Evidence: l.evidence,
	})
	s.prev = fleet.DigestOf(sealed)
	return sealed, err
}
