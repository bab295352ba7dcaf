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

// cacheVariable is the environment variable that replaces the default cache folder.
const cacheVariable = "STACKPOLICY_LAB_CACHE"

const defaultCacheDir = "/var/tmp/stackpolicy-lab"

// lockInterval is the pause between two attempts to take the lock.
const lockInterval = 100 * time.Millisecond

// lockSuffix makes the lock's name from that of a root file system.
const lockSuffix = ".lock"

// Cached returns the root file system of a suite from the cache: the folder SUITE
// below /var/tmp/stackpolicy-lab, or below $STACKPOLICY_LAB_CACHE. If it is missing or
// was made from another list of packages, it is made first. That takes a minute or
// two and is reported on standard error. Several processes may ask at the same time:
// one makes it and the others wait, as long as ctx allows.
//
// Replacing a root takes the files away from machines that still run on the old one.
func Cached(ctx context.Context, suite string) (dir string, err error) {
	dir, err = defaultCache().root(ctx, suite)
	if err != nil {
		return "", fmt.Errorf("have a root file system of %s: %w", suite, err)
	}
	return dir, nil
}

// Available returns nil if Cached can work here: the root is in the cache, or
// everything that is needed to make it is installed. It does not contact the mirror.
// Otherwise the error says what is missing.
func Available(suite string) error {
	if err := checkSuite(suite); err != nil {
		return err
	}
	if defaultCache().has(suite) {
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

func defaultCache() cache {
	dir := os.Getenv(cacheVariable)
	if dir == "" {
		dir = defaultCacheDir
	}
	return cache{dir: dir, make: build, log: os.Stderr}
}

func (c cache) path(suite string) string { return filepath.Join(c.dir, suite) }

func (c cache) has(suite string) bool {
	done, err := isFinished(c.path(suite), stampOf(suite))
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
	unlock, err := lock(ctx, c.path(suite)+lockSuffix)
	if err != nil {
		return "", err
	}
	defer unlock()
	if c.has(suite) {
		return c.path(suite), nil // made while this process waited
	}
	return c.path(suite), c.renew(ctx, suite)
}

// renew removes the root file system if there is an outdated one, and makes a new one.
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

// check refuses a cache folder that another account can write to, because programs in
// it run as root.
func (c cache) check() error {
	info, err := os.Lstat(c.dir)
	if err != nil {
		return err
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !known || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("cache %q: want a folder that belongs to this account and that only this account can write to\nhint: remove it, or set %s",
			c.dir, cacheVariable)
	}
	return nil
}

// lock waits until it holds the lock on the named file. The file is never removed.
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
