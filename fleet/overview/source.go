// Package overview is what the hub of a fleet knows of its sources, and what follows from it:
// the state of each source at a time, and the totals of the fleet. It reads nothing: the
// archive fills [Source], and package report/fleet shows what [Build] returns.
//
// What the hub did not see is never good: a source that is silent, whose evidence has a gap,
// or whose last audit is too old, is shown as that.
//
// Start at [Build].
package overview

import (
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet"
)

// Source is what the hub knows of one account of one host. Texts in it come from the source
// and are not clean.
type Source struct {
	fleet.Source
	Key      string        `json:"key"`               // fingerprint of the key of its evidence
	Enrolled time.Time     `json:"enrolled"`          // when an operator confirmed it
	Revoked  *time.Time    `json:"revoked,omitempty"` // nil: it is not revoked
	Received time.Time     `json:"received,omitzero"` // when its newest envelope arrived, by the hub's clock; zero: none did
	Newest   uint64        `json:"newest"`            // number of that envelope; 0 is none
	Applied  uint64        `json:"applied"`           // all envelopes up to this one are in its memory at the hub
	Missing  []fleet.Range `json:"missing"`           // envelopes below Newest that the hub does not have
	Fork     string        `json:"fork,omitempty"`    // why it is not trusted; "" is nothing
	Clock    string        `json:"clock,omitempty"`   // what is wrong with its clock; "" is nothing
	Accepted int64         `json:"accepted"`          // envelopes that are missing, and that an operator accepted as lost
	Lost     int64         `json:"lost"`              // audits that the host forgot before it could send them
	Refused  int           `json:"refused"`           // envelopes that were refused since it was enrolled, or of which the evidence cannot be read
	Refusal  string        `json:"refusal,omitempty"` // why the last of them was; not clean
	Beat     fleet.Beat    `json:"beat"`              // of the newest envelope; empty without one
	Boot     string        `json:"boot,omitempty"`    // of the newest envelope
	Program  string        `json:"program,omitempty"` // version of stackpolicy that sent it
	Findings []Finding     `json:"findings"`          // that were open as of Applied, waived ones too
	AsOf     time.Time     `json:"as_of,omitzero"`    // time of the envelope Applied; zero: none
	Days     []Day         `json:"days"`              // of the last [Length], in order of time, without overlap
	Page     string        `json:"page,omitempty"`    // its own page: a path relative to that of the fleet; "" has none

	// What its audits said of the account, for the steps of runbooks.
	NoHomeManager bool `json:"-"`
	NixOS         bool `json:"-"`
}

// Finding is a finding that is open at a source.
type Finding struct {
	finding.Finding
	Since time.Time `json:"since"`
}

// Length is how far back [Source].Days goes.
const Length = 14 * 24 * time.Hour

// Day is a stretch of time, such as an hour or a day, and the worst that audits saw in it. A
// stretch in which no audit looked is left out: it is shown as not observed.
type Day struct {
	From  time.Time     `json:"from"`
	To    time.Time     `json:"to"`    // exclusive
	Worst finding.Level `json:"worst"` // 0 ok, 1 warning, 2 unknown, 3 critical
}
