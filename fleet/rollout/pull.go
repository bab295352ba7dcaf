package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
)

// Pull asks a source for the newest release of the channel. One that is new is verified, checked
// and written beside the one in use: it decides nothing yet. A change of the plan of a known
// release is taken as it is. The error is also kept, for [Host.Status]; whatever it is, the host
// stays on what it has. A source without a release is no error.
func (h Host) Pull(ctx context.Context, from release.Fetcher, now time.Time) error {
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
		return h.take(ctx, s, got, now)
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

// take checks a new release and writes it into the free slot, in shadow.
func (h Host) take(ctx context.Context, s *State, got release.Fetched, now time.Time) error {
	files, err := release.Unpack(got.Bundle)
	if err == nil {
		err = h.Check(ctx, policy.Source{Name: fmt.Sprintf("release %d", got.Plan.Version), Files: files})
	}
	if ctx.Err() != nil {
		return ctx.Err() // it was not refused, it was interrupted
	}
	if err != nil {
		s.refuse(h, got.Plan, "the rules are refused: "+clip(err.Error()), now)
		return &unusableError{fmt.Sprintf("release %d: the rules are refused: %v", got.Plan.Version, err)}
	}
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
	s.Candidate, s.Shadow = slot, &fleet.Shadow{Version: got.Plan.Version, Since: now.UTC()}
	return nil
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
