package archive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stackpolicy/fleet"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/sqlite"
)

// Apply adds to the memories what envelopes of these sources have, and without sources of all.
// It goes on with the next envelope only if that is there, or begins anew. If the process is
// killed, what was added is added again, which changes nothing. More reports whether some
// source has more.
//
// Several chains are worked on at the same time, and only some, whichever, while the archive is
// busy. The error says what is wrong with any of them; that delays no other chain.
func (a *Archive) Apply(ctx context.Context, now time.Time, sources ...fleet.Source) (more bool, err error) {
	due, err := a.due(ctx, sources)
	errs, isCut := []error{err}, false
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(min(runtime.GOMAXPROCS(0), maxWorkers))
	rand.Shuffle(len(due), func(i, k int) { due[i], due[k] = due[k], due[i] })
	for n, c := range due {
		if isCut = n >= aFew && a.IsBusy != nil && a.IsBusy(); isCut {
			break
		}
		group.Go(func() error {
			left, err := a.applyChain(ctx, c, now)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("add to the memory of %s: %w", c.subject, err))
			}
			more = more || left && err == nil
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	return more || isCut, errors.Join(errs...)
}

// aFew is how many chains are worked on if the archive is busy.
const aFew = 16

// maxWorkers bounds the chains that are worked on at the same time. Each needs some 50 MB at most.
const maxWorkers = 4

// due returns the chains of these sources, and without sources of all, of which envelopes are not
// in the memory. Those that were found are returned also with an error.
func (a *Archive) due(ctx context.Context, sources []fleet.Source) (all []applied, err error) {
	each := func(d *sqlite.DB, subject string) error {
		due, err := dueChains(ctx, d, subject)
		all = append(all, due...)
		return err
	}
	if len(sources) == 0 {
		err := a.eachShard(ctx, func(d *sqlite.DB) error { return each(d, "") })
		return all, err
	}
	seen := map[fleet.Source]bool{} // a memory has one writer
	for _, s := range sources {
		if seen[s] {
			continue
		}
		seen[s] = true
		subject, err1 := s.Subject()
		d, err2 := a.shard(ctx, shardOf(s))
		if err := errors.Join(err1, err2); err != nil {
			return all, err
		}
		if err := each(d, subject); err != nil {
			return all, err
		}
	}
	return all, nil
}

// applied is a chain with what is needed to add to its memory.
type applied struct {
	id, applied, enrolled, lost int64
	subject                     string
	key                         fleet.PublicKey
	shard                       *sqlite.DB
}

// dueChains returns the chains of which envelopes are not in the memory; of all subjects for "".
func dueChains(ctx context.Context, d *sqlite.DB, subject string) (due []applied, err error) {
	err = d.View(ctx, func(tx sqlite.Tx) (err error) {
		due, err = sqlite.List(tx, func(r sqlite.Row) (c applied, err error) {
			var key []byte
			err = r.Scan(&c.id, &c.applied, &c.enrolled, &c.lost, &c.subject, &key)
			c.key, c.shard = key, d
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
