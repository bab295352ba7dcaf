// Package page makes the pages of a hub out of its archive: that of the fleet, and one of each
// source, in the form in which a host's own report has it. It writes them to a folder, or serves
// them.
//
// Start at [Maker].
package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/overview"
	"stackpolicy/history"
	"stackpolicy/report"
	"stackpolicy/report/daily"
	reportfleet "stackpolicy/report/fleet"
	"stackpolicy/report/timeline"
)

// Archive has what a hub knows; an [archive.Archive] does.
type Archive interface {
	Sources(ctx context.Context) ([]overview.Source, error)
	Memories(ctx context.Context) ([]archive.Memory, error)
}

// Maker makes pages. Its methods may be called from several goroutines.
type Maker struct {
	Archive    Archive
	Invariants func() []policy.Invariant // for the steps of runbooks
	// Offered returns what the hub offers to hosts, and when signatures end. Nil is nothing.
	Offered func(now time.Time) ([]overview.Channel, []overview.End, error)
	Version string
	Now     func() time.Time
}

// Fleet returns the fleet as it is now, to be written by package report/fleet. Each source whose
// memory is at the hub, and which is trusted, has the path of its page.
func (m Maker) Fleet(ctx context.Context) (reportfleet.Input, error) {
	sources, err := m.Archive.Sources(ctx)
	if err != nil {
		return reportfleet.Input{}, err
	}
	for i, s := range sources {
		if s.Applied > 0 && s.Fork == "" {
			sources[i].Page = PathOf(s.Source)
		}
	}
	f := overview.Build(sources, m.Now())
	if m.Offered != nil {
		channels, ends, err := m.Offered(f.At)
		if err != nil {
			return reportfleet.Input{}, fmt.Errorf("read the releases: %w", err)
		}
		f.Channels, f.Ends = append(f.Channels, channels...), append(f.Ends, ends...)
	}
	return reportfleet.Input{Fleet: f, Version: m.Version, Width: 80, Steps: m.steps()}, nil
}

// steps gives the steps of runbooks for the account of a source.
func (m Maker) steps() func(overview.Source, finding.Finding) []string {
	return func(s overview.Source, f finding.Finding) []string {
		return report.Steps(m.Invariants(), policy.Account{Name: s.User, NoHomeManager: s.NoHomeManager, NixOS: s.NixOS})(f)
	}
}

// sourcesDir is the folder of the pages of sources, below that of the fleet's page.
const sourcesDir = "source"

// maxFileName is shorter than a name that file systems take (255), as a temporary one is longer.
const maxFileName = 200

// PathOf returns the path of a source's page, relative to that of the fleet. It has only letters,
// digits and -_.~/.
func PathOf(s fleet.Source) string {
	subject, err := s.Subject()
	if err != nil { // no such source can be enrolled
		return ""
	}
	_, name, _ := strings.Cut(subject, ".")
	name = strings.ReplaceAll(name, "%", "~") // which a link would decode
	if len(name) > maxFileName {
		digest := sha256.Sum256([]byte(subject))
		name = hex.EncodeToString(digest[:])
	}
	return sourcesDir + "/" + name + ".html"
}

// window is how far back the page of a source goes.
const window = 24 * time.Hour

// Source writes the page of a source, from its memory. What the hub does not know is among its notes.
func (m Maker) Source(ctx context.Context, w io.Writer, row overview.Row, memory archive.Memory) error {
	store, err := history.OpenReadOnly(ctx, memory.Home)
	if err != nil {
		return fmt.Errorf("open the memory of %s %s: %w", row.Host, row.User, err)
	}
	defer store.Close()
	now := m.Now()
	r, err := timeline.Read(ctx, store, store, now.Add(-window), now)
	if err != nil {
		return fmt.Errorf("read the memory of %s %s: %w", row.Host, row.User, err)
	}
	r.Class = m.class
	r.Cut = append(r.Cut, "This is what the hub of the fleet received of "+row.Host+" "+row.User+". The host may know more.")
	for _, c := range row.Causes {
		if c.State.Level() != finding.LevelOK && c.State != overview.Page && c.State != overview.Ticket {
			r.Cut = append(r.Cut, fmt.Sprintf("The hub has it as %s: %s.", c.State, c.Why))
		}
	}
	model := daily.Build(daily.Input{Record: r, Steps: report.Steps(m.Invariants(), report.AccountOf(r.Document, row.User)), Version: m.Version, Name: row.Host + " " + row.User})
	var out bytes.Buffer
	if err := daily.WriteHTML(&out, model); err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

func (m Maker) class(id string) finding.Class {
	for _, x := range m.Invariants() {
		if x.ID == id {
			return x.Class
		}
	}
	return ""
}

// pages returns the memories by the path of their sources' pages: those of present keys alone.
func (m Maker) pages(ctx context.Context, rows []overview.Row) (map[string]archive.Memory, error) {
	memories, err := m.Archive.Memories(ctx)
	if err != nil {
		return nil, err
	}
	key := map[string]string{}
	for _, r := range rows {
		if r.Page != "" {
			key[r.Page] = r.Key
		}
	}
	all := map[string]archive.Memory{}
	for _, x := range memories {
		if path := PathOf(x.Source); key[path] != "" && key[path] == x.Key.Fingerprint() {
			all[path] = x
		}
	}
	return all, nil
}
