package history

import (
	"encoding/json"
	"fmt"
)

// Shipment has rows of a history for a copy of it that another host keeps. Times are stored
// ones, ids are those of the history. Parts and documents are numbered by the sender: what was
// sent once is only named afterwards.
type Shipment struct {
	Began     int64             `json:"began"`           // of the history
	Reset     bool              `json:"reset,omitempty"` // from here on everything is sent again
	Lost      int64             `json:"lost,omitempty"`  // audits that were forgotten before they were sent
	Part      int64             `json:"part,omitempty"`  // number of the first of Parts, the others follow
	Parts     []json.RawMessage `json:"parts,omitempty"`
	Document  int64             `json:"document,omitempty"` // number of the first of Documents
	Documents [][]Run           `json:"documents,omitempty"`
	Rules     []ShippedRules    `json:"rules,omitempty"`
	Extended  *ShippedSpan      `json:"extended,omitempty"` // more audits of the last span that was sent
	Spans     []ShippedSpan     `json:"spans,omitempty"`
	Findings  []ShippedFinding  `json:"findings,omitempty"`
	Forgotten []int64           `json:"forgotten,omitempty"` // findings that were open, and are no longer kept
	Actions   []ShippedAction   `json:"actions,omitempty"`
}

// IsEmpty reports whether the shipment has nothing for the copy.
func (s Shipment) IsEmpty() bool {
	return !s.Reset && s.Lost == 0 && s.Extended == nil &&
		len(s.Parts)+len(s.Documents)+len(s.Rules)+len(s.Spans)+len(s.Findings)+len(s.Forgotten)+len(s.Actions) == 0
}

// IsMore reports whether the shipment says only that audits found the same as before.
func (s Shipment) IsMore() bool {
	s.Extended = nil
	return s.IsEmpty()
}

// Run is a number, and how many that follow it without a gap.
type Run [2]int64

// ShippedRules are the files of policies, as they were given to Record.
type ShippedRules struct {
	Digest string          `json:"digest"`
	Files  json.RawMessage `json:"files"`
}

// ShippedSpan is a row of spans. In [Shipment.Extended] only its id and what an extension
// changes are set.
type ShippedSpan struct {
	ID         int64           `json:"id"`
	First      int64           `json:"first,omitempty"`
	Last       int64           `json:"last"`
	Count      int64           `json:"count"`
	Total      int64           `json:"total"`
	Mode       string          `json:"mode,omitempty"`
	ExitCode   int             `json:"exit,omitempty"`
	Policy     string          `json:"policy,omitempty"`
	Document   int64           `json:"document,omitempty"` // number; 0: none is kept, or it is too large to be sent
	Gaps       json.RawMessage `json:"gaps,omitempty"`
	DurationMS int64           `json:"ms"`
	Verdict    string          `json:"verdict,omitempty"`
}

// ShippedFinding is a row of standings.
type ShippedFinding struct {
	ID       int64           `json:"id"`
	Finding  json.RawMessage `json:"finding"`
	Since    int64           `json:"since"`
	Seen     *int64          `json:"seen,omitempty"`
	Resolved *int64          `json:"resolved,omitempty"`
}

// ShippedAction is a row of actions.
type ShippedAction struct {
	ID         int64           `json:"id"`
	At         int64           `json:"at"`
	Action     string          `json:"action"`
	Subject    string          `json:"subject"`
	Reasons    json.RawMessage `json:"reasons"`
	Status     string          `json:"status"`
	Healed     *bool           `json:"healed,omitempty"`
	Message    string          `json:"message,omitempty"`
	DurationMS int64           `json:"ms"`
	Before     int64           `json:"before,omitempty"` // number of a document; 0 is none
	After      int64           `json:"after,omitempty"`
}

// Cursor says what of a history was sent. The zero value is nothing.
type Cursor struct {
	Began    int64            `json:"began"`
	Span     int64            `json:"span"`
	Total    int64            `json:"total"` // audits up to that span's last
	Finding  int64            `json:"finding"`
	Open     map[int64]string `json:"open"` // findings that were open, with a digest of the row
	Action   int64            `json:"action"`
	Actions  map[int64]string `json:"actions"` // the newest, with a digest of the row
	Part     int64            `json:"part"`    // the last number that was given
	Document int64            `json:"document"`
	Reset    bool             `json:"reset"` // the next shipment begins anew
}

// Again returns a cursor from which everything is sent again, with new numbers.
func (c Cursor) Again() Cursor { return Cursor{Part: c.Part, Document: c.Document, Reset: true} }

// Numbered is something that was sent, and the number by which it is named.
type Numbered struct {
	Key    string
	Number int64
}

func partKey(digest []byte) string     { return fmt.Sprintf("part %x", digest) }
func documentKey(digest string) string { return "document " + digest }
func rulesKey(digest string) string    { return "rules " + digest }

// runs returns numbers as runs.
func runs(numbers []int64) []Run {
	var all []Run
	for _, n := range numbers {
		if last := len(all) - 1; last >= 0 && all[last][0]+all[last][1]+1 == n {
			all[last][1]++
		} else {
			all = append(all, Run{n, 0})
		}
	}
	return all
}
