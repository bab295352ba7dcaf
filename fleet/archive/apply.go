package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/sqlite"
)

// Apply adds to the memories what envelopes of these sources have, and without sources of all.
// It goes on with the next envelope only if that is there, or begins anew. If the process is
// killed, what was added is added again, which changes nothing. More reports whether some
// source has more.
func (a *Archive) Apply(ctx context.Context, now time.Time, sources ...fleet.Source) (more bool, err error) {
	var errs []error
	each := func(d *sqlite.DB, subject string) error {
		due, err := dueChains(ctx, d, subject)
		for _, c := range due {
			left, err := a.applyChain(ctx, d, c, now)
			if err != nil {
				errs = append(errs, fmt.Errorf("add to the memory of %s: %w", c.subject, err))
			}
			more = more || left && err == nil
		}
		return err
	}
	if len(sources) == 0 {
		err := a.eachShard(ctx, func(d *sqlite.DB) error { return each(d, "") })
		return more, errors.Join(append(errs, err)...)
	}
	for _, s := range sources {
		subject, err1 := s.Subject()
		d, err2 := a.shard(ctx, shardOf(s))
		if err := errors.Join(err1, err2); err != nil {
			return more, err
		}
		if err := each(d, subject); err != nil {
			return more, err
		}
	}
	return more, errors.Join(errs...)
}

// applied is a chain with what is needed to add to its memory.
type applied struct {
	id, applied, enrolled, lost int64
	subject                     string
	key                         fleet.PublicKey
}

// dueChains returns the chains of which envelopes are not in the memory; of all subjects for "".
func dueChains(ctx context.Context, d *sqlite.DB, subject string) (due []applied, err error) {
	err = d.View(ctx, func(tx sqlite.Tx) (err error) {
		due, err = sqlite.List(tx, func(r sqlite.Row) (c applied, err error) {
			var key []byte
			err = r.Scan(&c.id, &c.applied, &c.enrolled, &c.lost, &c.subject, &key)
			c.key = key
			return c, err
		}, "SELECT id, applied, enrolled, lost, subject, key FROM chains WHERE applied < newest AND (subject = ?1 OR ?1 = '')", subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what is not in the memories: %w", err)
	}
	return due, nil
}

// view is what a memory says, for the overview.
type view struct {
	Findings []overview.Finding `json:"findings"`
	Days     []overview.Day     `json:"days"`
	AsOf     time.Time          `json:"as_of"`

	// Of the account, for the steps of runbooks; only where there are findings.
	NoHomeManager bool `json:"no_home_manager,omitempty"`
	NixOS         bool `json:"nixos,omitempty"`
}
