package rollout

import (
	"errors"
	"fmt"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
)

// Stages of a release on a host.
const (
	StageShadow = "shadow" // it decides beside the rules in use
	StageActive = "active"
	StageBack   = "back" // the newest release is not used, and the host is on what it had before
)

// WarnBefore is how long before the end of a release a host says so.
const WarnBefore = release.WarnBefore

// Status is how the releases of a host are.
type Status struct {
	Channel  string        `json:"channel"`
	Active   *release.Plan `json:"active"`    // nil: the rules come from no release
	Newest   *release.Plan `json:"newest"`    // nil: none is known
	Stage    string        `json:"stage"`     // of the newest: shadow, active or back; "" for none
	OfStages string        `json:"of_stages"` // in which stage of the newest plan this host is, such as 10%
	Waits    string        `json:"waits"`     // what the one in shadow waits for; "" is nothing
	Shadow   *fleet.Shadow `json:"shadow"`
	Expires  time.Time     `json:"expires"` // of the newest; zero is none
	Problem  string        `json:"problem"` // why the host is not on the newest, or cannot tell; "" is none
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
		status.Problem = clip(err.Error())
	}
	if active != nil {
		status.Active = &active.Plan
	}
	if s.Newest.Version == 0 || s.Channel != h.Channel {
		return status, nil
	}
	newest := s.Newest
	status.Newest, status.Expires = &newest, newest.Expires
	if stage := newest.StageOf(h.Source, h.Labels); stage != release.NoStage {
		status.OfStages = newest.Stages[stage].String()
	}
	h.stage(&status, s, active, now)
	return status, nil
}

func (h Host) stage(status *Status, s *State, active *Release, now time.Time) {
	newest := *status.Newest
	problem := ""
	switch refusal := s.refusal(h, newest.Channel, newest.Version); {
	case isOf(active, newest):
		status.Stage = StageActive
	case refusal != nil:
		status.Stage = StageBack
		problem = fmt.Sprintf("release %d is not used here: %s", newest.Version, refusal.Why)
	case s.Candidate != "":
		status.Stage = StageShadow
		status.Waits = h.waitsFor(s, now)
	}
	if problem == "" && now.After(newest.Expires) {
		problem = fmt.Sprintf("release %d expired on %s, and nothing newer came", newest.Version, newest.Expires.Format(time.DateOnly))
	}
	if status.Problem == "" {
		status.Problem = problem
	}
}

// Beat returns what the host's beat says of its releases.
func (s Status) Beat() (*fleet.Release, *fleet.Shadow) {
	if s.Active == nil && s.Newest == nil && s.Problem == "" {
		return nil, nil
	}
	r := &fleet.Release{Channel: s.Channel, Stage: s.Stage, Problem: s.Problem}
	if s.Active != nil {
		r.Version = s.Active.Version
	}
	return r, s.Shadow
}
