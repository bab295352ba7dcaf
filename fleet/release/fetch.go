package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

// Fetcher reads a file of a repository's public folder, by its path there, such as
// stable/….plan.json. A file that does not exist is fs.ErrNotExist; a file with more bytes than
// limit is [ErrTooLarge], and need not be read. Nobody trusts what it returns.
type Fetcher interface {
	File(ctx context.Context, name string, limit int64) ([]byte, error)
}

// Trusted is the metadata that a host has verified, by the name of its file. It begins with a
// root, which the host gets when it joins the fleet; that is what all trust comes from.
type Trusted map[string][]byte

// Trust begins with a root, which must be signed by enough of the keys that it names: so nothing
// else is ever kept in its place.
func Trust(root []byte) (Trusted, error) {
	if _, err := trustedmetadata.New(root); err != nil {
		return nil, fmt.Errorf("this is no root of releases; want the file release/public/1.root.json of the hub's folder: %w", err)
	}
	return Trusted{"root.json": root}, nil
}

// Fetched is a release that was verified.
type Fetched struct {
	Plan Plan
	// Bundle is nil if the caller has the plan's bundle already.
	Bundle []byte
}

// Errors of [Fetch]. Each is in an error that says more.
var (
	ErrExpired    = errors.New("expired")
	ErrRollback   = errors.New("older than what is known")
	ErrSignatures = errors.New("not signed by enough of the keys that may")
	ErrMixed      = errors.New("not the file that was signed")
)

// Fetch verifies the release of a channel as TUF's client does, from the root on. has reports
// whether the caller has the bundle of a plan. What was verified is added to trusted also if
// the rest fails: so nobody can offer what is older later. The error is one of those above, or
// what the fetcher says; fs.ErrNotExist means that there is no release.
func Fetch(ctx context.Context, f Fetcher, trusted Trusted, channel string, now time.Time, has func(Plan) bool) (Fetched, error) {
	if !ValidChannel(channel) {
		return Fetched{}, fmt.Errorf("%.100q is no name of a channel", channel)
	}
	dir, err := os.MkdirTemp("", "stackpolicy-release-*")
	if err != nil {
		return Fetched{}, err
	}
	defer os.RemoveAll(dir)
	c, err := newClient(ctx, f, trusted, dir, now)
	if err != nil {
		return Fetched{}, clear(err)
	}
	got, err := c.fetch(channel, has)
	if read := c.keep(trusted); read != nil {
		err = errors.Join(err, read)
	}
	return got, clear(err)
}

// client is TUF's, on a folder of its own: it reads and writes files there that a crash could
// cut, and would stop at such a file for ever.
type client struct {
	*updater.Updater
	dir string
}

// base is where the updater believes that the files are.
const base = "release://fleet"

var localFiles = []string{"root.json", "timestamp.json", "snapshot.json", "targets.json"}

func newClient(ctx context.Context, f Fetcher, trusted Trusted, dir string, now time.Time) (client, error) {
	for _, name := range localFiles[1:] {
		if text := trusted[name]; text != nil {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				return client{}, err
			}
		}
	}
	c, err := config.New(base, trusted["root.json"])
	if err != nil {
		return client{}, err
	}
	c.RemoteTargetsURL, c.LocalMetadataDir, c.LocalTargetsDir = base, dir, dir
	c.Fetcher = adapter{ctx, f}
	c.RootMaxLength, c.SnapshotMaxLength, c.TargetsMaxLength = maxMetadata, maxMetadata, maxMetadata
	u, err := updater.New(c)
	if err != nil {
		return client{}, fmt.Errorf("the root: %w", err)
	}
	u.UnsafeSetRefTime(now) // it is the clock of this host; tests have another
	return client{u, dir}, nil
}

func (c client) fetch(channel string, has func(Plan) bool) (Fetched, error) {
	if err := c.Refresh(); err != nil {
		return Fetched{}, err
	}
	text, err := c.target(planName(channel), maxPlan)
	if err != nil {
		return Fetched{}, err
	}
	p, err := ParsePlan(text)
	if err != nil {
		return Fetched{}, err
	}
	if p.Channel != channel {
		return Fetched{}, fmt.Errorf("%w: the plan of channel %s is about %s", ErrMixed, channel, p.Channel)
	}
	got := Fetched{Plan: p}
	if has(p) {
		return got, nil
	}
	if got.Bundle, err = c.target(bundleName(channel, p.Version), MaxBundle); err != nil {
		return Fetched{}, err
	}
	if DigestOf(got.Bundle) != p.Bundle {
		return Fetched{}, fmt.Errorf("%w: the bundle is not that of the plan", ErrMixed)
	}
	return got, nil
}

func (c client) target(name string, limit int64) ([]byte, error) {
	info := c.GetTopLevelTargets()[name]
	if info == nil {
		return nil, fmt.Errorf("%s: the list of releases does not have it: %w", name, fs.ErrNotExist)
	}
	if info.Length > limit {
		return nil, fmt.Errorf("%s: %w: it has %d bytes; want at most %d", name, ErrTooLarge, info.Length, limit)
	}
	info.Path = name
	_, text, err := c.DownloadTarget(info, filepath.Join(c.dir, "target"), "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// keep adds what was verified to what is trusted.
func (c client) keep(trusted Trusted) error {
	for _, name := range localFiles {
		text, err := read(filepath.Join(c.dir, name), maxMetadata)
		if err != nil {
			return err
		}
		if text != nil {
			trusted[name] = text
		}
	}
	return nil
}

// clear returns an error that says in plain words what is wrong, with one of the errors of this
// package in it.
func clear(err error) error {
	var kind error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, &metadata.ErrExpiredMetadata{}):
		kind = fmt.Errorf("%w: nothing newer was offered; the hub may be down, or somebody holds back what is new", ErrExpired)
	case errors.Is(err, &metadata.ErrBadVersionNumber{}):
		kind = ErrRollback
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		kind = ErrSignatures
	case errors.Is(err, &metadata.ErrLengthOrHashMismatch{}):
		kind = ErrMixed
	case errors.Is(err, &metadata.ErrDownloadLengthMismatch{}):
		kind = ErrTooLarge
	case errors.Is(err, &metadata.ErrDownloadHTTP{}):
		kind = fs.ErrNotExist
	default:
		return fmt.Errorf("fetch the release: %w", err)
	}
	return fmt.Errorf("fetch the release: %w (%w)", kind, err)
}

// adapter is a [Fetcher] for go-tuf.
type adapter struct {
	ctx context.Context
	f   Fetcher
}

// DownloadFile asks the fetcher. go-tuf knows a missing file only by HTTP's status.
func (a adapter) DownloadFile(at string, limit int64, _ time.Duration) ([]byte, error) {
	name, err := url.PathUnescape(strings.TrimPrefix(at, base+"/"))
	if err != nil || !fs.ValidPath(name) {
		return nil, fmt.Errorf("%.200q is no name of a file of releases", at)
	}
	text, err := a.f.File(a.ctx, name, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &metadata.ErrDownloadHTTP{StatusCode: 404, URL: name}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("%s: %w: it has %d bytes; want at most %d", name, ErrTooLarge, len(text), limit)
	}
	return text, nil
}
