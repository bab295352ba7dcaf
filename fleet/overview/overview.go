package overview

import (
	"cmp"
	"slices"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet"
)

// Schema names the JSON form of a [Fleet].
const Schema = "stackpolicy.fleet/v1"

// Fleet is all sources at a time.
type Fleet struct {
	Schema   string    `json:"schema"`
	At       time.Time `json:"at"`
	ExitCode int       `json:"exit_code"` // of the worst state: 0 good, 1 tickets, 2 page, 3 unknown
	Totals   []Total   `json:"totals"`    // of every state, in their order
	Releases []Release `json:"releases"`  // the newest of each channel first
	Channels []Channel `json:"channels"`  // what the hub offers; [Build] leaves it empty
	Ends     []End     `json:"ends"`      // what people have to sign again in time; [Build] leaves it empty
	Sources  []Row     `json:"sources"`   // the most urgent first
}

// Channel is the newest release of rules that the hub offers in a channel.
type Channel struct {
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Open    int    `json:"open_stages"` // of the stages: on hosts of the others it may not act
	Stages  int    `json:"stages"`
	Halted  bool   `json:"halted"`           // no further host begins to use it
	Reason  string `json:"reason,omitempty"` // why it is halted
}

// End is when a signature ends, and what to do about it before.
type End struct {
	What string    `json:"what"`
	At   time.Time `json:"at"`
	Do   string    `json:"do"`
}

// Total is how many sources are in a state.
type Total struct {
	State   State `json:"state"`
	Sources int   `json:"sources"`
}

// Release is how many sources are on a release of rules, in a stage.
type Release struct {
	Channel string `json:"channel"` // "" is rules that come from no release
	Version int64  `json:"version"`
	Stage   string `json:"stage"`
	Sources int    `json:"sources"`
}

// Row is a source at a time.
type Row struct {
	Source
	State  State         `json:"state"`
	Causes []Cause       `json:"causes"` // State and why, then what else is wrong with it; never empty
	Worst  *fleet.Worst  `json:"worst"`  // the worst that is open; nil is nothing, or not known
	Level  finding.Level `json:"level"`  // of State
}

// CountMissing counts the envelopes that are missing.
func (r Row) CountMissing() uint64 { return missing(r.Source) }

// Build returns the fleet at a time. It does not change the sources.
func Build(sources []Source, now time.Time) Fleet {
	f := Fleet{Schema: Schema, At: now, Channels: []Channel{}, Ends: []End{}, Sources: []Row{}}
	worst := finding.LevelOK
	for _, s := range sources {
		r := rowOf(s, now)
		worst = finding.Worst(worst, r.Level)
		f.Sources = append(f.Sources, r)
	}
	slices.SortStableFunc(f.Sources, byUrgency)
	f.Totals, f.Releases = totals(f.Sources), releases(f.Sources)
	f.ExitCode = worst.ExitCode()
	if len(sources) == 0 {
		f.ExitCode = finding.LevelUnknown.ExitCode() // nothing was looked at
	}
	return f
}

func rowOf(s Source, now time.Time) Row {
	s.Missing, s.Days = append([]fleet.Range{}, s.Missing...), append([]Day{}, s.Days...)
	s.Findings = slices.SortedStableFunc(slices.Values(s.Findings), worstFirst)
	for i, f := range s.Findings {
		if f.Evidence == nil {
			s.Findings[i].Evidence = map[string]any{}
		}
	}
	if s.Findings == nil {
		s.Findings = []Finding{}
	}
	causes := causesOf(s, now)
	return Row{Source: s, State: causes[0].State, Causes: causes, Worst: worstOf(s), Level: causes[0].State.Level()}
}

// worstFirst sorts findings: the worst, then the newest first.
func worstFirst(a, b Finding) int {
	return cmp.Or(cmp.Compare(b.Level(), a.Level()), b.Since.Compare(a.Since), cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Subject, b.Subject))
}

// worstOf returns the worst finding of a source: its newest beat knows it before the findings do.
func worstOf(s Source) *fleet.Worst {
	if s.Beat.Worst != nil || len(s.Findings) == 0 || !s.Findings[0].Counts() || s.Applied != s.Newest {
		return s.Beat.Worst
	}
	f := s.Findings[0]
	return &fleet.Worst{Invariant: f.Invariant, Subject: f.Subject, Severity: string(f.Urgency()), Message: f.Message, Since: f.Since}
}

func byUrgency(a, b Row) int {
	rank := func(r Row) int { return slices.Index(States(), r.State) }
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Org, b.Org), cmp.Compare(a.Host, b.Host), cmp.Compare(a.User, b.User))
}

func totals(rows []Row) []Total {
	count := map[State]int{}
	for _, r := range rows {
		count[r.State]++
	}
	list := []Total{}
	for _, s := range States() {
		list = append(list, Total{s, count[s]})
	}
	return list
}

// releases counts the sources by release and stage. A revoked one does not count, and neither
// does one that never said what it is on.
func releases(rows []Row) []Release {
	count := map[Release]int{}
	for _, r := range rows {
		if r.Revoked != nil || r.Received.IsZero() {
			continue
		}
		key := Release{}
		if on := r.Beat.Release; on != nil {
			key = Release{Channel: on.Channel, Version: on.Version, Stage: on.Stage}
		}
		count[key]++
	}
	list := []Release{}
	for key, n := range count {
		key.Sources = n
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b Release) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(b.Version, a.Version), cmp.Compare(a.Stage, b.Stage))
	})
	return list
}
