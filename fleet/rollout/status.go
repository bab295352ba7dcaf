package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
)

// Stages of a release on a host.
const (
	StageShadow = "shadow" // it decides beside the rules in use
	StageActive = "active"
	StageBack   = "back" // the newest release is not used, and the host is on what it had before
)

// Status is how the releases of a host are.
type Status struct {
	Channel  string        `json:"channel"`
	Active   *release.Plan `json:"active"`    // nil: the rules come from no release
	Newest   *release.Plan `json:"newest"`    // nil: none is known
	Stage    string        `json:"stage"`     // of the newest: shadow, active or back; "" for none
	OfStages string        `json:"of_stages"` // in which stage of the newest plan this host is, such as 10%
	Waits    string        `json:"waits"`     // what the newest waits for; "" is nothing
	Shadow   *fleet.Shadow `json:"shadow"`
	Problem  *Problem      `json:"problem"` // what the clock does not change; nil is none
	Pulled   time.Time     `json:"pulled"`  // the source answered last; zero is never
}

// Status returns how the releases are. It changes nothing.
func (h Host) Status(now time.Time) (Status, error) {
	s, err := h.state()
	if err != nil {
		return Status{}, err
	}
	status := Status{Channel: h.Channel, Shadow: s.Shadow, Problem: s.Problem, Pulled: s.Pulled}
	active, err := h.Active()
	if err != nil && !errors.Is(err, ErrDamaged) {
		return Status{}, err
	}
	if err != nil {
		status.Problem = &Problem{facts.ReleaseDamaged, clip(err.Error()), s.Pulled}
	}
	if active != nil {
		status.Active = &active.Plan
	}
	if s.Newest.Version == 0 || s.Channel != h.Channel {
		return status, nil
	}
	newest := s.Newest
	status.Newest = &newest
	if stage := newest.StageOf(h.Source, h.Labels); stage != release.NoStage {
		status.OfStages = newest.Stages[stage].String()
	}
	h.stage(&status, s, active, now)
	return status, nil
}

func (h Host) stage(status *Status, s *State, active *Release, now time.Time) {
	newest := *status.Newest
	switch refusal := s.refusal(h, newest.Channel, newest.Version); {
	case isOf(active, newest):
		status.Stage = StageActive
	case refusal != nil:
		status.Stage = StageBack
		text := fmt.Sprintf("release %d is not used here: %s", newest.Version, refusal.Why)
		if status.Problem == nil || status.Problem.Kind == facts.ReleaseUnreachable {
			status.Problem = &Problem{facts.ReleaseBack, text, refusal.At}
		}
	case s.Unchecked:
		status.Waits = "its rules are to be checked and tested, after the next audit or by stackpolicy policy pull"
	case s.Candidate != "":
		status.Stage = StageShadow
		status.Waits = h.waitsFor(s, now)
	case newest.Halted:
		status.Waits = fmt.Sprintf("release %d is halted: %s", newest.Version, newest.Reason)
	case s.Trial != nil && active != nil && s.Trial.Version == active.Plan.Version:
		status.Waits = fmt.Sprintf("release %d is in its first audits, and its place to go back to is needed", active.Plan.Version)
	}
}

// Ended says that the newest release expired; "" if it did not.
func (s Status) Ended(now time.Time) string {
	if s.Newest == nil || !now.After(s.Newest.Expires) {
		return ""
	}
	return fmt.Sprintf("release %d expired on %s, and nothing newer came", s.Newest.Version, s.Newest.Expires.Format(time.DateOnly))
}

// Beat returns what the host's beat says of its releases: nil if it uses none.
func (s Status) Beat(now time.Time) (*fleet.Release, *fleet.Shadow) {
	if s.Channel == "" {
		return nil, nil
	}
	r := &fleet.Release{Channel: s.Channel, Stage: s.Stage, Problem: cmp.Or(s.Problem.String(), s.Ended(now))}
	if s.Active != nil {
		r.Version = s.Active.Version
	}
	return r, s.Shadow
}

// Facts returns what the document says of the releases: nil if the host uses none.
func (s Status) Facts() *facts.Release {
	if s.Channel == "" {
		return nil
	}
	r := &facts.Release{Channel: s.Channel, Stage: s.Stage}
	if s.Active != nil {
		r.Version = s.Active.Version
	}
	if s.Newest != nil {
		r.Newest, r.Expires = s.Newest.Version, &s.Newest.Expires
	}
	if p := s.Problem; p != nil {
		r.Problem = &facts.ReleaseProblem{Kind: p.Kind, Text: p.Text, Since: p.Since}
	}
	return r
}
