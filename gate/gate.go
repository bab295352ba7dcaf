// Package gate says whether a change made anything worse: it compares the verdict before the
// change with the verdict after it, once what the change began has come to an end. It only
// observes. Nothing is healed, remembered or sent.
//
// Start at [Gate.End]. [Compare] has the comparison, [Unsettled] what is waited for, and
// [Folder] keeps the facts between two commands.
package gate

import (
	"time"

	"stackpolicy/audit"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Schema names the version of the JSON of a [Result].
const Schema = "stackpolicy.gate/v1"

// Result is what a gate says. Its JSON is stackpolicy.gate/v1.
type Result struct {
	Schema   string    `json:"schema"`
	ExitCode int       `json:"exit_code" jsonschema:"0 nothing got worse, 2 something got worse, 3 it could not be told"`
	Policy   string    `json:"policy_digest" jsonschema:"the policies that decided both sides: the present ones"`
	Before   Side      `json:"before"`
	After    Side      `json:"after"`
	WaitedMS int64     `json:"waited_ms" jsonschema:"how long it waited, in milliseconds"`
	Waiting  []Waiting `json:"waiting" jsonschema:"what had not settled when the wait was over; empty if everything had"`
	Command  *Command  `json:"command,omitempty" jsonschema:"the command of gate run; absent otherwise"`
	Comparison
}

// Side is one of the two verdicts.
type Side struct {
	From       string    `json:"from" jsonschema:"begin (gate begin), run (gate run), memory (an audit that was remembered) or now"`
	At         time.Time `json:"at" jsonschema:"when the collection of its facts started"`
	Generation string    `json:"generation" jsonschema:"store path of the Home Manager generation; empty without one"`
}

// Command is the command that a gate ran.
type Command struct {
	Argv   []string `json:"argv"`
	Status int      `json:"status" jsonschema:"its exit status; 128 and the number of the signal that ended it"`
}

// The sides of a comparison come from these.
const (
	FromBegin  = "begin"
	FromRun    = "run"
	FromMemory = "memory"
	FromNow    = "now"
)

// Observation is a snapshot with the verdict on it.
type Observation struct {
	Report   *audit.Report
	Document *facts.Document
}

// side describes an observation.
func (o Observation) side(from string) Side {
	s := Side{From: from, At: o.Report.CollectedAt}
	if d := o.Document.Declared; d != nil {
		s.Generation = d.Generation
	}
	return s
}

// exitCode is 2 before 3: what is known to be worse is not made better by what is not known.
func (r Result) exitCode() int {
	switch {
	case len(r.Worse) > 0:
		return finding.LevelCritical.ExitCode()
	case len(r.Undecided) > 0 || len(r.Waiting) > 0:
		return finding.LevelUnknown.ExitCode()
	}
	return finding.LevelOK.ExitCode()
}
