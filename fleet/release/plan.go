// Package release has what a release of rules is: one bundle of files, and a plan that says
// which hosts use it, from when, and until when. TUF metadata (theupdateframework.io) signs
// both, so a host takes neither an old release nor a mixed one, whoever serves the files.
//
// Start at [Repository], where an operator makes and signs releases, and [Fetch], by which a
// host gets one.
package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/lazyregexp"
)

// Plan says how a release comes to the hosts. It is signed, and so is each change of it: no
// message makes a host go on to the next stage.
type Plan struct {
	Schema  string    `json:"schema"` // PlanSchema
	Channel string    `json:"channel"`
	Version int64     `json:"version"` // from 1; of a channel it only rises
	Expires time.Time `json:"expires"` // from then on no host begins to use it
	// Bundle is the SHA-256 of the bundle, as hexadecimal digits.
	Bundle string `json:"bundle"`
	// MinimumProgram is the oldest version of stackpolicy that the rules are for, such as
	// 1.4.0; "" is any.
	MinimumProgram string  `json:"minimum_program,omitempty"`
	Stages         []Stage `json:"stages"`
	// OpenStage is how many of the stages are open: on hosts of the others the release may
	// not act.
	OpenStage int     `json:"open_stage"`
	Success   Success `json:"success"`
	Previous  int64   `json:"previous"`         // the version before it; 0 is none
	Halted    bool    `json:"halted,omitempty"` // no further host begins to use it
	Reason    string  `json:"reason,omitempty"` // why it is halted
}

// Success is what a host wants to see before a release may act there, while it only decides
// beside the rules in use. An error of evaluation or a time limit is never a success.
type Success struct {
	MinAudits   int      `json:"min_audits"`
	MinTime     Duration `json:"min_time"`
	MaxNewPages int      `json:"max_new_pages"` // findings to page about that the rules in use do not have
}

// Duration is a time.Duration that is text in JSON, such as 1h0m0s.
type Duration time.Duration

// MarshalText returns the text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the text.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// PlanSchema names the form of a plan.
const PlanSchema = "stackpolicy.release/v1"

// Bounds of a plan.
const (
	maxPlan    = 64 << 10
	maxStages  = 20
	maxLabels  = 20
	maxReason  = 200
	maxAudits  = 10_000
	maxMinTime = 30 * 24 * time.Hour
)

var (
	channelName = lazyregexp.New(`^[a-z][a-z0-9-]{0,31}$`)
	versionText = lazyregexp.New(`^[0-9]{1,9}(\.[0-9]{1,9}){0,2}$`)
	digestText  = lazyregexp.New(`^[0-9a-f]{64}$`)
)

// DefaultSuccess is what a plan wants if nobody says otherwise.
func DefaultSuccess() Success { return Success{MinAudits: 3, MinTime: Duration(15 * time.Minute)} }

// DefaultStages are the stages of a plan if nobody says otherwise.
func DefaultStages() []Stage {
	return []Stage{{Select: map[string]string{"role": "canary"}}, {Limit: "10%"}, {Limit: "50%"}, {}}
}

// ValidChannel reports whether the text may be the name of a channel.
func ValidChannel(name string) bool { return channelName.Get().MatchString(name) }

// Check returns everything that is wrong with a plan.
func (p Plan) Check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Schema != PlanSchema {
		wrong("schema: %q is not %s: the release is for another version of stackpolicy", p.Schema, PlanSchema)
	}
	if !ValidChannel(p.Channel) {
		wrong("channel: %q is no name of a channel; want small letters, digits and -, such as stable", p.Channel)
	}
	if p.Version < 1 || p.Previous < 0 || p.Previous >= p.Version {
		wrong("version: %d after %d; want a number from 1 that is higher than the previous one", p.Version, p.Previous)
	}
	if p.Expires.IsZero() || p.Expires.Year() > 2200 {
		wrong("expires: %s is no time up to the year 2200", p.Expires.Format(time.RFC3339))
	}
	if !digestText.Get().MatchString(p.Bundle) {
		wrong("bundle: %.100q is no SHA-256", p.Bundle)
	}
	if p.MinimumProgram != "" && !versionText.Get().MatchString(p.MinimumProgram) {
		wrong("minimum_program: %.100q is no version, such as 1.4.0", p.MinimumProgram)
	}
	if len(p.Reason) > maxReason || strings.ContainsFunc(p.Reason, isControl) {
		wrong("reason: want one line of at most %d bytes", maxReason)
	}
	return errors.Join(append(errs, p.checkStages(), p.Success.check())...)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (p Plan) checkStages() error {
	if len(p.Stages) == 0 || len(p.Stages) > maxStages {
		return fmt.Errorf("stages: there are %d; want 1 to %d", len(p.Stages), maxStages)
	}
	if p.OpenStage < 0 || p.OpenStage > len(p.Stages) {
		return fmt.Errorf("open_stage: %d; want 0 to %d, the number of stages", p.OpenStage, len(p.Stages))
	}
	for i, s := range p.Stages {
		if err := s.check(); err != nil {
			return fmt.Errorf("stages.%d: %w", i, err)
		}
	}
	return nil
}

func (s Success) check() error {
	if s.MinAudits < 1 || s.MinAudits > maxAudits || s.MinTime < 0 || time.Duration(s.MinTime) > maxMinTime || s.MaxNewPages < 0 {
		return fmt.Errorf("success: want min_audits 1 to %d, min_time at most %s and max_new_pages from 0", maxAudits, maxMinTime)
	}
	return nil
}

// ParsePlan reads a plan and checks it. An unknown key is an error: it may restrict what an
// older program would not restrict.
func ParsePlan(text []byte) (Plan, error) {
	if len(text) > maxPlan {
		return Plan{}, fmt.Errorf("the plan has %d bytes; want at most %d", len(text), maxPlan)
	}
	var p Plan
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("read the plan of a release: %w", err)
	}
	if err := p.Check(); err != nil {
		return Plan{}, fmt.Errorf("the plan of a release: %w", err)
	}
	return p, nil
}

// Text returns the plan as it is signed.
func (p Plan) Text() ([]byte, error) {
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("the plan of a release: %w", err)
	}
	text, err := json.MarshalIndent(p, "", "  ")
	return append(text, '\n'), err
}

// Equal reports whether two plans are the same.
func (p Plan) Equal(other Plan) bool {
	a, err1 := json.Marshal(p)
	b, err2 := json.Marshal(other)
	return err1 == nil && err2 == nil && bytes.Equal(a, b)
}

// Follows returns an error if the plan may not come after another one of its channel: a version
// that was published has one bundle, and stages that are open stay open.
func (p Plan) Follows(before Plan) error {
	switch {
	case p.Version < before.Version:
		return fmt.Errorf("%w: version %d of channel %s, after %d; to go back, release the older rules under a new version", ErrRollback, p.Version, p.Channel, before.Version)
	case p.Version == before.Version && p.Bundle != before.Bundle:
		return fmt.Errorf("%w: version %d of channel %s has another bundle than before; publish it as a new version", ErrMixed, p.Version, p.Channel)
	}
	return nil
}

// StageNames describes the stages in order, for people.
func (p Plan) StageNames() (names []string) {
	for _, s := range p.Stages {
		names = append(names, s.String())
	}
	return names
}

// String describes a stage: "role=canary", "10%", "role=db 50%" or "all".
func (s Stage) String() string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(s.Select)) {
		words = append(words, key+"="+s.Select[key])
	}
	if s.Limit != "" {
		words = append(words, s.Limit)
	}
	if len(words) == 0 {
		return "all"
	}
	return strings.Join(words, " ")
}
