// Package rollout has the releases of rules of one account of a host. A release is fetched,
// verified and checked, decides beside the rules in use without acting, and takes their place
// if that was a success and its stage is open. If it fails, the host goes back by itself. All of
// this follows from signed plans and from what the host sees: no message makes it act.
//
// Start at [Host.Pull], [Host.Active] and [Host.Record].
package rollout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
	"stackpolicy/internal/lock"
)

// Host is the place of an account's releases, and what decides which it may use.
type Host struct {
	// Dir is $XDG_STATE_HOME/stackpolicy/release, as [Dir] returns it.
	Dir     string
	Source  fleet.Source
	Labels  map[string]string
	Channel string // "" uses no releases
	// Program is the version of this program; one that is no version counts as the newest.
	Program string
	// Root is the root that all trust begins with, for the first time.
	Root []byte
	// Check returns why the rules of a release may not be used: what the loader refuses, or a
	// test that fails. The files are without built-in ones.
	Check func(ctx context.Context, rules policy.Source) error

	step func(what string) error // of tests, before each change on disk
}

// Dir returns where an account has its releases.
func Dir(stateHome string) string { return filepath.Join(stateHome, "stackpolicy", "release") }

// Names in the folder.
const (
	activeLink  = "active"
	stateFile   = "state.json"
	trustedFile = "trusted.json"
	rulesFolder = "rules"
	planFile    = "plan.json"
	bundleFile  = "bundle.tar.gz"
)

// slots are the two folders of releases: one is in use, the other is the one before or the one
// after it.
var slots = [2]string{"a", "b"}

func other(slot string) string {
	if slot == slots[0] {
		return slots[1]
	}
	return slots[0]
}

// Release is a release that is on the disk.
type Release struct {
	Plan release.Plan // as it was when it was fetched; the newest is in the state
	// Rules is its folder of rules: whole, or a layer over the built-in ones.
	Rules string
	slot  string
}

// ErrDamaged means that a release on the disk is not as it was signed.
var ErrDamaged = errors.New("the release on the disk is damaged or was edited")

// Active returns the release whose rules decide. nil means that none does: the rules of the
// configuration or of the program do. [ErrDamaged] means the same.
func (h Host) Active() (*Release, error) {
	slot, err := h.activeSlot()
	if err != nil || slot == "" {
		return nil, err
	}
	return h.read(slot)
}

// Link returns the link that changes when another release is active.
func (h Host) Link() string { return h.path(activeLink) }

// activeSlot returns "" if no release is in use.
func (h Host) activeSlot() (string, error) {
	target, err := os.Readlink(h.path(activeLink))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err == nil && target != slots[0] && target != slots[1] {
		err = fmt.Errorf("%w: %s is a link to %.100q", ErrDamaged, h.path(activeLink), target)
	}
	return target, err
}

// Candidate returns the release that decides beside the rules in use, without acting; nil if
// there is none.
func (h Host) Candidate() (*Release, error) {
	s, err := h.state()
	if err != nil || s.Candidate == "" || s.Unchecked {
		return nil, err
	}
	return h.read(s.Candidate)
}

func (h Host) path(names ...string) string {
	return filepath.Join(append([]string{h.Dir}, names...)...)
}

// lock keeps other processes out, and finishes what one that was killed had begun.
func (h Host) lock(now time.Time) (*State, func(), error) {
	if err := os.MkdirAll(h.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("the releases: %w", err)
	}
	done, err := lock.Take(h.path("lock"), now)
	if err != nil {
		return nil, nil, fmt.Errorf("the releases: %w", err)
	}
	s, err := h.state()
	if err == nil {
		err = h.reconcile(s)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return s, done, nil
}
