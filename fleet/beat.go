package fleet

import (
	"time"

	"stackpolicy/internal/text"
)

// Beat is how a source is, in every envelope: so the newest one alone says it, before all that
// came earlier has arrived.
type Beat struct {
	Audited  time.Time     `json:"audited"` // the last audit; zero is none yet
	Audits   int64         `json:"audits"`  // since the memory began
	Every    time.Duration `json:"every"`   // the longest pause to the next envelope, in ns; 0 is not known
	ExitCode int           `json:"exit_code"`
	Mode     string        `json:"mode"`   // observe or enforce
	Policy   string        `json:"policy"` // digest of the rules that decided
	Open     Counts        `json:"open"`
	Worst    *Worst        `json:"worst,omitempty"`   // nil is nothing open
	Release  *Release      `json:"release,omitempty"` // nil: its rules come from no release
	Waiting  uint64        `json:"waiting"`           // envelopes that it has still to send
	Shadow   *Shadow       `json:"shadow,omitempty"`  // nil: no rules are tried beside those that decide
}

// Counts are numbers of open findings. One that is waived is only in Waived.
type Counts struct {
	Page    int `json:"page"`
	Ticket  int `json:"ticket"`
	Unknown int `json:"unknown"`
	Waived  int `json:"waived"`
}

// Worst is the worst finding that is open.
type Worst struct {
	Invariant string    `json:"invariant"`
	Subject   string    `json:"subject"`
	Severity  string    `json:"severity"`
	Message   string    `json:"message"`
	Since     time.Time `json:"since"`
}

// Release is the release of rules by which a source decides.
type Release struct {
	Channel string `json:"channel"`
	Version int64  `json:"version"`
	Stage   string `json:"stage"`             // shadow, active or back
	Problem string `json:"problem,omitempty"` // why it is not on the newest, or that this expired
}

// Shadow is what a release does that decides beside the rules in use, without acting.
type Shadow struct {
	Version  int64     `json:"version"`
	Since    time.Time `json:"since"`
	Audits   int       `json:"audits"`
	Errors   int       `json:"errors"`    // audits that it could not decide
	NewPages int       `json:"new_pages"` // findings to page about that the rules in use do not have
}

// Bounds of texts in a beat, in runes.
const (
	maxWord     = 200
	maxSentence = 1000
)

// Clipped returns the beat with texts of no more than some lines: a host that lies about itself
// must not make the page of all hosts large.
func (b Beat) Clipped() Beat {
	b.Mode, b.Policy = text.Clip(b.Mode, maxWord), text.Clip(b.Policy, maxWord)
	if b.Worst != nil {
		w := *b.Worst
		w.Invariant, w.Subject, w.Severity = text.Clip(w.Invariant, maxWord), text.Clip(w.Subject, maxWord), text.Clip(w.Severity, maxWord)
		w.Message, b.Worst = text.Clip(w.Message, maxSentence), &w
	}
	if b.Release != nil {
		r := *b.Release
		r.Channel, r.Stage, r.Problem = text.Clip(r.Channel, maxWord), text.Clip(r.Stage, maxWord), text.Clip(r.Problem, maxSentence)
		b.Release = &r
	}
	return b
}
