// Package archive keeps the evidence of a fleet on the hub's disk: every envelope as it was
// signed, in 64 shards, and for each chain of envelopes a memory with the tables of a host's own,
// so that whatever reads the memory of a host reads that of any. The memories follow from the
// envelopes.
//
// Start at [Open], [Archive.Take] and [Archive.Sources].
package archive

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/sqlite"
)

// Archive is the open archive. One process writes it at a time, any number read. Its methods may
// be called from several goroutines, but [Archive.Take] and [Archive.Apply] only from one each.
type Archive struct {
	dir      string
	keys     Keys
	readOnly bool
	shards   [Shards]shard
	release  func()
	budgets  budgets

	// Learn, if not nil, is asked for the identity of a source that is not known, or whose
	// signature is not by the key that is known; it calls Enroll.
	Learn func(context.Context, fleet.Source) error

	// IsBusy, if not nil, reports whether Apply has to leave the processor and the disk to Take.
	IsBusy func() bool

	mu         sync.Mutex
	identities map[string]fleet.Identity // by subject, as far as they were asked for
}

// Keys are those of the hub.
type Keys struct {
	Watermarks fleet.Key       // signs watermarks; zero if the archive is only read
	Registry   fleet.PublicKey // signed the identities
}

// Shards is the number of files. It is part of the format.
const Shards = 64

// shard is one file, which is opened when it is first used.
type shard struct {
	mu sync.Mutex
	db *sqlite.DB
}

// Path returns the folder of the archive in the folder of a hub.
func Path(data string) string { return filepath.Join(data, "archive") }

// Open opens the archive of a hub for writing. While another process writes it, the error is a
// [*lock.HeldError].
func Open(_ context.Context, data string, keys Keys, now time.Time) (*Archive, error) {
	dir := Path(data)
	if err := sqlite.OwnFolder(dir); err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	release, err := lock.Take(filepath.Join(dir, "lock"), now)
	if err != nil {
		return nil, fmt.Errorf("open the archive %s: %w", dir, err)
	}
	return &Archive{dir: dir, keys: keys, release: release, budgets: newBudgets(), identities: map[string]fleet.Identity{}}, nil
}

// OpenReadOnly opens the archive of a hub for reading. A shard that does not exist is empty.
func OpenReadOnly(data string, registry fleet.PublicKey) *Archive {
	return &Archive{dir: Path(data), keys: Keys{Registry: registry}, readOnly: true, release: func() {}, identities: map[string]fleet.Identity{}}
}

// Close closes the archive.
func (a *Archive) Close() error {
	defer a.release()
	var errs []error
	for i := range a.shards {
		if s := &a.shards[i]; s.db != nil {
			errs = append(errs, s.db.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the archive: %w", err)
	}
	return nil
}

// shardOf returns where the sources of a host are.
func shardOf(s fleet.Source) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Org + "\x00" + s.Host))
	return int(h.Sum32() % Shards)
}

// shard opens a shard, and creates it if the archive is written. Of one that is only read and
// does not exist, the error is fs.ErrNotExist.
func (a *Archive) shard(ctx context.Context, i int) (*sqlite.DB, error) {
	s := &a.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		return s.db, nil
	}
	path := a.shardPath(i)
	d, err := sqlite.Open(ctx, path, a.readOnly, check)
	if errors.Is(err, fs.ErrNotExist) && !a.readOnly {
		if err = create(ctx, path); err == nil {
			d, err = sqlite.Open(ctx, path, false, check)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the shard %s: %w", path, err)
	}
	s.db = d
	return d, nil
}

func (a *Archive) shardPath(i int) string {
	return filepath.Join(a.dir, fmt.Sprintf("shard-%02d.db", i))
}

// eachShard calls work for each shard that exists.
func (a *Archive) eachShard(ctx context.Context, work func(*sqlite.DB) error) error {
	for i := range Shards {
		if _, err := os.Lstat(a.shardPath(i)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		d, err := a.shard(ctx, i)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = work(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
