package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
)

// Pull does what [Host.Fetch] and then [Host.Prepare] do.
func (h Host) Pull(ctx context.Context, from release.Fetcher, now time.Time) error {
	if err := h.Fetch(ctx, from, now); err != nil {
		return err
	}
	return h.Prepare(ctx, now)
}

// Fetch asks a source for the newest release of the channel. One that is new is verified and
// written beside the one in use: it decides nothing before [Host.Prepare]. A change of the plan of
// a known release is taken as it is. The error is also kept, for [Host.Status]; whatever it is,
// the host stays on what it has. A source without a release is no error.
func (h Host) Fetch(ctx context.Context, from release.Fetcher, now time.Time) error {
	if h.Channel == "" {
		return errors.New("this host follows no channel; set fleet.channel in config.yaml, for example to stable")
	}
	s, done, err := h.lock(now)
	if err != nil {
		return err
	}
	defer done()
	if s.Channel != h.Channel { // another channel counts its own versions
		s.Channel, s.Newest = h.Channel, release.Plan{}
	}
	s.Asked = now.UTC()
	err = h.pull(ctx, s, from, now)
	s.Problem = problemOf(err, s.Problem, now)
	return errors.Join(err, h.save(s))
}

// Asked returns when somebody last asked for releases; zero is never.
func (h Host) Asked() (time.Time, error) {
	s, err := h.state()
	if err != nil {
		return time.Time{}, err
	}
	return s.Asked, nil
}

// problemOf is what an error of a pull means. One that is still the same kind keeps its time.
func problemOf(err error, before *Problem, now time.Time) *Problem {
	if err == nil {
		return nil
	}
	p := &Problem{Kind: facts.ReleaseUnreachable, Text: clip(err.Error()), Since: now.UTC()}
	isRefused := func(target error) bool { return errors.Is(err, target) }
	var useless *unusableError
	switch {
	case errors.As(err, &useless):
		p.Kind = facts.ReleaseBack
	case errors.Is(err, release.ErrExpired):
		p.Kind = facts.ReleaseExpired
	case slices.ContainsFunc([]error{release.ErrSignatures, release.ErrMixed, release.ErrRollback, release.ErrTooLarge}, isRefused):
		p.Kind = facts.ReleaseRefused
	}
	if before != nil && before.Kind == p.Kind {
		p.Since = before.Since
	}
	return p
}

// unusableError is about a release that was verified, and that this host cannot use.
type unusableError struct{ why string }

func (e *unusableError) Error() string { return e.why }

func clip(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), maxWhy)]
}

func (h Host) pull(ctx context.Context, s *State, from release.Fetcher, now time.Time) error {
	trusted, err := h.trusted()
	if err != nil {
		return err
	}
	active, err := h.Active()
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	got, err := release.Fetch(ctx, from, trusted, h.Channel, now, func(p release.Plan) bool { return !h.wants(s, active, p, now) })
	if saved := h.saveTrusted(trusted); saved != nil {
		return errors.Join(err, saved)
	}
	if errors.Is(err, fs.ErrNotExist) && s.Newest.Version == 0 {
		s.Pulled = now.UTC()
		return nil // there is no release yet
	}
	if err != nil {
		return err
	}
	if err := got.Plan.Follows(s.Newest); err != nil && s.Newest.Version > 0 {
		return err
	}
	s.Newest, s.Pulled = got.Plan, now.UTC()
	if got.Bundle != nil {
		return h.take(s, got)
	}
	if why := h.tooOld(got.Plan); why != "" && !isOf(active, got.Plan) {
		return &unusableError{why}
	}
	return h.advance(s, active, now)
}

// wants reports whether the bundle of a plan is to be fetched.
func (h Host) wants(s *State, active *Release, p release.Plan, now time.Time) bool {
	switch {
	case isOf(active, p), p.Halted, now.After(p.Expires), h.tooOld(p) != "", s.refusal(h, p.Channel, p.Version) != nil:
		return false
	case s.Trial != nil && active != nil && s.Trial.Version == active.Plan.Version:
		return false // the slot that it would take is the one to go back to
	case s.Candidate != "":
		candidate, err := h.read(s.Candidate)
		return err != nil || !isOf(candidate, p)
	}
	return true
}

func isOf(r *Release, p release.Plan) bool {
	return r != nil && r.Plan.Channel == p.Channel && r.Plan.Version == p.Version && r.Plan.Bundle == p.Bundle
}

// take writes a new release into the free slot.
func (h Host) take(s *State, got release.Fetched) error {
	if s.Candidate != "" { // its slot is about to be another one
		s.dropCandidate()
		if err := h.save(s); err != nil {
			return err
		}
	}
	slot, err := h.put(got.Plan, got.Bundle)
	if err != nil {
		return fmt.Errorf("write release %d: %w", got.Plan.Version, err)
	}
	s.Candidate, s.Unchecked = slot, true
	return nil
}

// maxChecks is how often a release is checked that never comes to an end, because the process is
// killed each time.
const maxChecks = 3

// Prepare checks a release that was fetched: from then on it decides in shadow, or it is refused.
// It needs no network, and time: the rules' own tests run. It does nothing without such a
// release.
func (h Host) Prepare(ctx context.Context, now time.Time) error {
	if s, err := h.state(); err != nil || !s.Unchecked {
		return err
	}
	s, done, err := h.lock(now)
	if err != nil {
		return err
	}
	defer done()
	candidate, err := h.read(s.Candidate)
	if err != nil || !s.Unchecked {
		s.dropCandidate() // it is fetched again
		return h.save(s)
	}
	if s.Checks++; s.Checks > maxChecks {
		err = fmt.Errorf("its check was killed %d times: it takes too much time or memory here", maxChecks)
	} else if err = h.save(s); err == nil {
		err = h.check(ctx, candidate)
	}
	if ctx.Err() != nil {
		return ctx.Err() // it was not refused, it was interrupted
	}
	if err != nil {
		s.dropCandidate()
		s.refuse(h, candidate.Plan, "the rules are refused: "+clip(err.Error()), now)
		err = &unusableError{fmt.Sprintf("release %d: the rules are refused: %v", candidate.Plan.Version, err)}
		return errors.Join(err, h.save(s))
	}
	s.Unchecked, s.Checks, s.Shadow = false, 0, &fleet.Shadow{Version: candidate.Plan.Version, Since: now.UTC()}
	return h.save(s)
}

func (h Host) check(ctx context.Context, r *Release) error {
	return h.Check(ctx, policy.OpenWithTests(os.DirFS(r.Rules), fmt.Sprintf("release %d", r.Plan.Version)))
}

// tooOld says that this program is too old for a release; "" if it is not.
func (h Host) tooOld(p release.Plan) string {
	if p.MinimumProgram == "" || !isOlder(h.Program, p.MinimumProgram) {
		return ""
	}
	return fmt.Sprintf("release %d is for stackpolicy %s or newer, and this is %s: upgrade stackpolicy", p.Version, p.MinimumProgram, h.Program)
}

// isOlder compares versions such as 1.4.0 and v1.5.2. What is no version counts as the newest.
func isOlder(version, than string) bool {
	a, isVersion := numbers(version)
	b, _ := numbers(than)
	if !isVersion {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

func numbers(version string) (n [3]int, isVersion bool) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	version, _, _ = strings.Cut(version, "+")
	parts := strings.Split(version, ".")
	if len(parts) > len(n) {
		return n, false
	}
	for i, part := range parts {
		number, err := strconv.Atoi(part)
		if err != nil {
			return n, false
		}
		n[i] = number
	}
	return n, true
}
