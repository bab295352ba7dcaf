package rollout

import (
	"fmt"
	"slices"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet/release"
)

// Observed is what one audit showed of a release.
type Observed struct {
	Version int64 // whose rules decided, or decided beside those in use
	// Errors has the invariants that the rules could not decide: a rule failed, or was stopped
	// at a limit.
	Errors []string
	// NewPages has the findings to page about that the rules in use do not have.
	NewPages []string
	// Err is why the rules could not be used at all; nil if they could.
	Err error
}

// Compare says what a release decided beside the rules in use, on the same facts. Both are all
// decisions; without the rules in use, nil, the release decides itself.
func Compare(version int64, inUse, release []finding.Finding) Observed {
	o := Observed{Version: version}
	pages := map[string]bool{}
	for _, f := range inUse {
		if isPage(f) {
			pages[f.Identity()] = true
		}
	}
	for _, f := range release {
		if f.IsUnknown() && f.Case() == finding.CaseError {
			o.Errors = append(o.Errors, f.Invariant)
		}
		if isPage(f) && !pages[f.Identity()] {
			o.NewPages = append(o.NewPages, f.Identity())
		}
	}
	return o
}

func isPage(f finding.Finding) bool { return f.Counts() && f.Urgency() == finding.Page }

// Record takes what an audit showed of the release in shadow, and of the one that decides
// (Version 0: none does, or was not asked), and goes on: the release in shadow becomes active
// if it was a success and its stage is open. A release that fails is not used, and one that
// fails soon after it became active gives its place back. It reports whether other rules decide
// from now on.
func (h Host) Record(shadow, active Observed, now time.Time) (changed bool, err error) {
	s, done, err := h.lock(now)
	if err != nil {
		return false, err
	}
	defer done()
	before, _ := h.activeSlot()
	if err := h.record(s, shadow, active, now); err != nil {
		return false, err
	}
	after, _ := h.activeSlot()
	return before != after, nil
}

func (h Host) record(s *State, shadow, decided Observed, now time.Time) error {
	active, err := h.Active()
	if err != nil {
		active = nil
	}
	if active != nil && s.Trial != nil && s.Trial.Version == decided.Version && active.Plan.Version == decided.Version {
		if why := decided.failure(); why != "" {
			s.refuse(h, active.Plan, "it failed after it became active: "+why, now)
			if err := h.save(s); err != nil {
				return err
			}
			return h.goBack(s)
		}
		if s.Trial.Audits++; s.Trial.Audits >= active.Plan.Success.MinAudits {
			s.Trial = nil
		}
	}
	if s.Candidate != "" && s.Shadow != nil && s.Shadow.Version == shadow.Version {
		s.count(shadow)
	}
	if err := h.advance(s, active, now); err != nil {
		return err
	}
	return h.save(s)
}

// failure says why a release failed in an audit; "" if it did not.
func (o Observed) failure() string {
	switch {
	case o.Err != nil:
		return clip(o.Err.Error())
	case len(o.Errors) > 0:
		return "it cannot decide " + o.Errors[0]
	}
	return ""
}

func (s *State) count(o Observed) {
	s.Shadow.Audits++
	if o.failure() != "" {
		s.Shadow.Errors++
	}
	for _, page := range o.NewPages {
		if len(s.NewPages) < maxNewPages && !slices.Contains(s.NewPages, page) {
			s.NewPages = append(s.NewPages, page)
		}
	}
	s.Shadow.NewPages = len(s.NewPages)
}

// advance goes on with the release in shadow, as far as its plan allows.
func (h Host) advance(s *State, active *Release, now time.Time) error {
	if s.Candidate == "" || s.Shadow == nil {
		return nil
	}
	candidate, err := h.read(s.Candidate)
	if err != nil || !isOf(candidate, s.Newest) {
		s.dropCandidate() // damaged, or no longer the newest
		return nil
	}
	if why := failureOf(s.Newest.Success, s); why != "" {
		s.refuse(h, candidate.Plan, "it failed in shadow: "+why, now)
		s.dropCandidate()
		return nil
	}
	if h.waitsFor(s, now) != "" {
		return nil
	}
	t := &Trial{Version: candidate.Plan.Version, Since: now.UTC()}
	if active != nil {
		t.Before, t.BeforeBundle = active.slot, active.Plan.Bundle
	}
	s.Trial = t
	if err := h.save(s); err != nil {
		return err
	}
	if err := h.activate(candidate.slot); err != nil {
		return fmt.Errorf("change to release %d: %w", t.Version, err)
	}
	s.dropCandidate()
	return nil
}

func failureOf(want release.Success, s *State) string {
	switch {
	case s.Shadow.Errors > 0:
		return "it could not decide in an audit"
	case s.Shadow.NewPages > want.MaxNewPages:
		return fmt.Sprintf("%d new pages, and the plan allows %d", s.Shadow.NewPages, want.MaxNewPages)
	}
	return ""
}

// waitsFor says what the release in shadow waits for; "" is nothing.
func (h Host) waitsFor(s *State, now time.Time) string {
	p := s.Newest
	stage := p.StageOf(h.Source, h.Labels)
	want := p.Success
	switch {
	case p.Halted:
		return "release " + fmt.Sprint(p.Version) + " is halted: " + p.Reason
	case now.After(p.Expires):
		return fmt.Sprintf("release %d expired on %s", p.Version, p.Expires.Format(time.DateOnly))
	case stage == release.NoStage:
		return "this host is in no stage of the release"
	case s.Shadow.Audits < want.MinAudits:
		return fmt.Sprintf("%d of %d audits in shadow", s.Shadow.Audits, want.MinAudits)
	case now.Before(s.Shadow.Since.Add(time.Duration(want.MinTime))):
		return fmt.Sprintf("shadow until %s", s.Shadow.Since.Add(time.Duration(want.MinTime)).Format(time.RFC3339))
	case !p.IsOpen(stage):
		return fmt.Sprintf("stage %d (%s), which is not open", stage+1, p.Stages[stage])
	}
	return ""
}

// GiveUp stops using a release that decides and cannot be used any more, such as one that a newer
// program refuses. It does nothing if another release decides by now.
func (h Host) GiveUp(version int64, why error, now time.Time) error {
	s, done, err := h.lock(now)
	if err != nil {
		return err
	}
	defer done()
	active, err := h.Active()
	if err != nil || active == nil || active.Plan.Version != version {
		return err
	}
	s.refuse(h, active.Plan, "it cannot be used: "+clip(why.Error()), now)
	if err := h.save(s); err != nil {
		return err
	}
	return h.goBack(s)
}

// goBack gives the place of the active release to the one before, if that is still there, and
// otherwise to the rules of the program.
func (h Host) goBack(s *State) error {
	before := ""
	if t := s.Trial; t != nil && t.Before != "" {
		if r, err := h.read(t.Before); err == nil && r.Plan.Bundle == t.BeforeBundle {
			before = t.Before
		}
	}
	if err := h.activate(before); err != nil {
		return fmt.Errorf("go back: %w", err)
	}
	s.Trial = nil
	return h.save(s)
}
