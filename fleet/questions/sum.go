package questions

import (
	"cmp"
	"slices"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/replay"
)

// ImpactSchema names the JSON of an [Impact].
const ImpactSchema = "stackpolicy.fleet-impact/v1"

// Impact is what other rules would have changed at all sources. Its JSON is
// stackpolicy.fleet-impact/v1.
type Impact struct {
	Schema    string         `json:"schema"`
	Since     time.Time      `json:"since"`
	Sources   int            `json:"sources"` // of which audits were decided again
	Changed   int            `json:"changed"` // at which something would have been another thing
	Audits    int            `json:"audits"`
	Documents int            `json:"documents"`
	Assumed   int            `json:"assumed"` // audits compared with the present rules, as those of then are not kept
	Unknown   int            `json:"unknown"` // audits that cannot be decided again
	Findings  []Group        `json:"findings"`
	Each      []SourceImpact `json:"each"` // by source
}

// IsNone reports whether nothing would have been another thing.
func (i Impact) IsNone() bool { return i.Changed == 0 }

// Group is the findings that would have changed in one way, over all sources.
type Group struct {
	Invariant string `json:"invariant"`
	Change    string `json:"change"` // see [replay.Changed]
	Before    string `json:"before"`
	After     string `json:"after"`
	Sources   int    `json:"sources"`
	Findings  int    `json:"findings"`
	Audits    int    `json:"audits"`
}

// SourceImpact is the impact at one source, as `stackpolicy impact` says it there.
type SourceImpact struct {
	fleet.Source
	Key    string        `json:"key"`             // fingerprint: a source that was enrolled again has several
	Error  string        `json:"error,omitempty"` // why it cannot be told; Impact is empty then
	Impact replay.Impact `json:"impact"`
}

// Sum adds up the impacts of sources. Its result does not depend on their order.
func Sum(since time.Time, each []SourceImpact) Impact {
	sum := Impact{Schema: ImpactSchema, Since: since.UTC(), Findings: []Group{}, Each: slices.Clone(each)}
	slices.SortFunc(sum.Each, func(a, b SourceImpact) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Host, b.Host), cmp.Compare(a.User, b.User), cmp.Compare(a.Key, b.Key))
	})
	groups := map[Group]*Group{}
	for _, s := range sum.Each {
		i := s.Impact
		if s.Error == "" {
			sum.Sources++
		}
		if !i.IsNone() {
			sum.Changed++
		}
		sum.Audits, sum.Documents, sum.Assumed = sum.Audits+i.Audits, sum.Documents+i.Documents, sum.Assumed+i.Assumed
		for _, u := range i.Unknown {
			sum.Unknown += u.Audits
		}
		addGroups(groups, i.Findings)
	}
	for _, g := range groups {
		sum.Findings = append(sum.Findings, *g)
	}
	slices.SortFunc(sum.Findings, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Sources, a.Sources), cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Change, b.Change),
			cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After))
	})
	return sum
}

func addGroups(groups map[Group]*Group, findings []replay.Changed) {
	counted := map[Group]bool{}
	for _, f := range findings {
		key := Group{Invariant: f.Invariant, Change: f.Change, Before: f.Before, After: f.After}
		g := groups[key]
		if g == nil {
			g = &Group{Invariant: f.Invariant, Change: f.Change, Before: f.Before, After: f.After}
			groups[key] = g
		}
		if !counted[key] {
			counted[key] = true
			g.Sources++
		}
		g.Findings++
		g.Audits += f.Audits
	}
}

// AnswersSchema names the JSON of [Answers].
const AnswersSchema = "stackpolicy.fleet-answers/v1"

// Answers are those of all sources to a query. Their JSON is stackpolicy.fleet-answers/v1.
type Answers struct {
	Schema string         `json:"schema"`
	Query  string         `json:"query"`
	Each   []SourceAnswer `json:"each"` // by source; of those that have a document
}

// SortAnswers returns the answers by source.
func SortAnswers(query string, each []SourceAnswer) Answers {
	a := Answers{Schema: AnswersSchema, Query: query, Each: append([]SourceAnswer{}, each...)}
	slices.SortFunc(a.Each, func(x, y SourceAnswer) int {
		return cmp.Or(cmp.Compare(x.Org, y.Org), cmp.Compare(x.Host, y.Host), cmp.Compare(x.User, y.User), cmp.Compare(x.Key, y.Key))
	})
	return a
}
