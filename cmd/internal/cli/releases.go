package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/fleet"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/rollout"
)

// unnamed is the organisation of an account that is in no fleet and takes releases from a
// folder or a registry.
const unnamed = "local"

// Releases returns the place of the account's releases; nil if it follows no channel.
func Releases(c config.Config) (*rollout.Host, error) {
	if c.Fleet.Channel == "" {
		return nil, nil
	}
	env, err := collect.OfProcess(c)
	if err != nil {
		return nil, err
	}
	h := &rollout.Host{
		Dir: rollout.Dir(env.StateHome), Labels: c.Fleet.Labels, Channel: c.Fleet.Channel, Program: Version(), Check: CheckRelease,
	}
	member, err := enroll.ReadMember(env.StateHome)
	switch {
	case err == nil:
		h.Source, h.Root = member.Source, member.ReleaseRoot
	case errors.Is(err, fs.ErrNotExist):
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("find the name of this host: %w", err)
		}
		h.Source = fleet.Source{Org: unnamed, Host: host, User: env.Name}
	default:
		return nil, err
	}
	return h, nil
}

// Environment returns that of this process, which also knows the account's releases.
func Environment(c config.Config) (collect.Environment, error) {
	env, err := collect.OfProcess(c)
	if err != nil || c.Fleet.Channel == "" {
		return env, err
	}
	env.Releases = func() (*facts.Release, error) { return releaseFacts(c, time.Now()) }
	return env, nil
}

func releaseFacts(c config.Config, now time.Time) (*facts.Release, error) {
	h, err := Releases(c)
	if err != nil {
		return nil, err
	}
	status, err := h.Status(now)
	if err != nil {
		return nil, err
	}
	return status.Facts(), nil
}

// PolicyDir returns the folder of the policies in use: the given one, that of the active
// release, or that of the configuration. "" means the built-in ones. A release that is damaged is
// not used: policy_current says so.
func PolicyDir(given string, c config.Config) string {
	if given != "" {
		return given
	}
	if r := ActiveRelease(given, c); r != nil {
		return r.Rules
	}
	return c.Policies
}

// ActiveRelease returns the release whose rules are in use; nil if they come from elsewhere: a
// folder was given, or there is none.
func ActiveRelease(given string, c config.Config) *rollout.Release {
	if given != "" {
		return nil
	}
	h, err := Releases(c)
	if h == nil || err != nil {
		return nil
	}
	r, err := h.Active()
	if err != nil {
		return nil
	}
	return r
}

// LoadInUse loads the policies in use, as [PolicyDir] finds them. A release that cannot be
// loaded any more is given up, and the policies below it are used: those of the configuration or
// the built-in ones.
func LoadInUse(ctx context.Context, given string, c config.Config, memory decide.Memory) (*decide.Policies, error) {
	r := ActiveRelease(given, c)
	if r == nil {
		return LoadPolicies(ctx, cmp.Or(given, c.Policies), memory)
	}
	p, err := LoadPolicies(ctx, r.Rules, memory)
	if err == nil || ctx.Err() != nil {
		return p, err
	}
	h, noHost := Releases(c)
	if noHost == nil {
		noHost = h.GiveUp(r.Plan.Version, err, time.Now())
	}
	p, floor := LoadPolicies(ctx, c.Policies, memory)
	if floor != nil {
		return nil, errors.Join(err, noHost, floor)
	}
	return p, nil
}

// PoliciesInUse opens the policies in use, with their tests.
func PoliciesInUse(given string, c config.Config) (policy.Source, error) {
	return Policies(PolicyDir(given, c), policy.OpenWithTests)
}
