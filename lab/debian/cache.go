package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// cacheVariable names another cache folder than the usual one.
const cacheVariable = "STACKPOLICY_LAB_CACHE"

const usualCache = "/var/tmp/stackpolicy-lab"

// lockInterval is the pause between two tries to have the lock.
const lockInterval = 100 * time.Millisecond

// Cached returns the root file system of a suite that is kept in the cache:
// SUITE below /var/tmp/stackpolicy-lab, or below $STACKPOLICY_LAB_CACHE. It is
// made when it is missing or of another make, which takes a minute or two and
// is reported on standard error. Several processes may ask at once: one makes it
// and the others wait, as long as ctx allows.
//
// What runs over a root of another make loses its files when that is replaced.
func Cached(ctx context.Context, suite string) (dir string, err error) {
	dir, err = usual().root(ctx, suite)
	if err != nil {
		return "", fmt.Errorf("have a root file system of %s: %w", suite, err)
	}
	return dir, nil
}

// Available says why Cached cannot work here, in words for a person: there is
// no such root in the cache, and none can be made. It is nil when there is one
// or all that the making needs; the mirror itself is not asked.
func Available(suite string) error {
	if err := checkSuite(suite); err != nil {
		return err
	}
	if usual().has(suite) {
		return nil
	}
	_, err := findTool()
	return err
}

// cache is a folder of root file systems.
type cache struct {
	dir  string
	make func(ctx context.Context, suite, dir string, log io.Writer) error
	log  io.Writer
}

func usual() cache {
	dir := os.Getenv(cacheVariable)
	if dir == "" {
		dir = usualCache
	}
	return cache{dir: dir, make: build, log: os.Stderr}
}

func (c cache) path(suite string) string { return filepath.Join(c.dir, suite) }

func (c cache) has(suite string) bool {
	done, err := finished(c.path(suite), stampOf(suite))
	return done && err == nil && c.check() == nil
}

func (c cache) root(ctx context.Context, suite string) (string, error) {
	if err := checkSuite(suite); err != nil {
		return "", err
	}
	if c.has(suite) {
		return c.path(suite), nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", err
	}
	if err := c.check(); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, c.path(suite)+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if c.has(suite) {
		return c.path(suite), nil // made while this process waited
	}
	return c.path(suite), c.renew(ctx, suite)
}

// renew makes the root file system in the place of one of another make.
func (c cache) renew(ctx context.Context, suite string) error {
	old := c.path(suite) + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(c.path(suite), old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	return c.make(ctx, suite, c.path(suite), c.log)
}

// check refuses a cache that someone else could have filled: programs in it run
// as root.
func (c cache) check() error {
	info, err := os.Lstat(c.dir)
	if err != nil {
		return err
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !known || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("cache %q: want a folder of this account's that no other may write to\nhint: remove it, or set %s",
			c.dir, cacheVariable)
	}
	return nil
}

// lock waits for the lock on a file that stays, and returns what lets it go.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(lockInterval)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("lock %q: %w", name, err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("wait for another process that holds %q: %w", name, ctx.Err())
		case <-ticker.C:
		}
	}
}
