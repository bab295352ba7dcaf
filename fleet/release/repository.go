package release

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

// Repository is a folder with the releases of an organisation:
//
//	public/     what hosts may have: metadata, bundles, plans. Nothing in it is secret.
//	next/       metadata that waits for signatures, and what it is about
//	online.key  signs snapshot and timestamp; it alone cannot make a release
//
// A copy of the folder without online.key is enough to sign.
type Repository struct{ dir string }

// At returns the repository in a folder, which need not exist.
func At(dir string) Repository { return Repository{dir} }

// Public returns the folder that hosts may read.
func (r Repository) Public() string { return filepath.Join(r.dir, "public") }

// Lives of metadata. The hub signs again what it signs when half of the time is over.
const (
	RootLife      = 365 * 24 * time.Hour
	TargetsLife   = 90 * 24 * time.Hour
	snapshotLife  = 14 * 24 * time.Hour
	timestampLife = 14 * 24 * time.Hour
	// WarnBefore is how long before the end a person is told of what only people can sign.
	WarnBefore = 14 * 24 * time.Hour
)

const maxMetadata = 500_000

// ErrNoRoot means that a repository has no root yet.
var ErrNoRoot = errors.New("the folder has no signed root yet: make one with stackfleet release init, and sign it with stackfleet release sign")

func (r Repository) next(name string) string   { return filepath.Join(r.dir, "next", name) }
func (r Repository) public(name string) string { return filepath.Join(r.Public(), name) }

// write writes a file, with its folders. Files that hosts read are for everybody.
func (r Repository) write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, 0o644, func(w io.Writer) error { _, err := w.Write(text); return err })
}

// read returns nil if the file does not exist.
func read(path string, limit int64) ([]byte, error) {
	text, err := regularfile.Read(path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// newest returns the newest public file of a role and its version; 0 and nil without one.
func (r Repository) newest(role string) (version int64, text []byte, err error) {
	entries, err := os.ReadDir(r.Public())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, nil, err
	}
	for _, e := range entries {
		number, isOfRole := strings.CutSuffix(e.Name(), "."+role+".json")
		if n, err := strconv.ParseInt(number, 10, 64); isOfRole && err == nil {
			version = max(version, n)
		}
	}
	if version == 0 {
		return 0, nil, nil
	}
	text, err = read(r.public(fmt.Sprintf("%d.%s.json", version, role)), maxMetadata)
	return version, text, err
}

// root returns the newest root that is signed.
func (r Repository) root() (rootMeta, error) {
	_, text, err := r.newest(roleRoot)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, ErrNoRoot
	}
	return decode[metadata.RootType](text)
}

// Root returns the first root, which a host that joins has to have. It is [ErrNoRoot] if there
// is none.
func (r Repository) Root() ([]byte, error) {
	text, err := read(r.public("1.root.json"), maxMetadata)
	if err == nil && text == nil {
		err = ErrNoRoot
	}
	return text, err
}

// targets returns the newest targets that are signed, nil without any.
func (r Repository) targets() (targetsMeta, error) {
	_, text, err := r.newest(roleTargets)
	if err != nil {
		return nil, err
	}
	return decode[metadata.TargetsType](text)
}

// Init begins a repository: it makes the online key, and a first root that waits for its
// signatures. threshold is how many of the people must sign.
func (r Repository) Init(people []PublicKey, threshold int, now time.Time) error {
	if version, _, err := r.newest(roleRoot); err != nil || version > 0 {
		return errors.Join(err, fmt.Errorf("%s has a root already: change its keys with stackfleet release keys", r.dir))
	}
	online, err := r.online()
	if errors.Is(err, fs.ErrNotExist) {
		online, err = r.newOnline("online.key")
	}
	if err != nil {
		return err
	}
	return r.stageRoot(1, people, threshold, online.PublicKey, now)
}

// ChangeKeys makes a root that follows the newest one, with other people, another threshold or,
// if a new online key was made, that one. It waits for the signatures of those who may sign now,
// and of those who may sign then.
func (r Repository) ChangeKeys(people []PublicKey, threshold int, newOnline bool, now time.Time) error {
	root, err := r.root()
	if err != nil {
		return err
	}
	online, err := r.online()
	if newOnline {
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			online, err = r.newOnline("online.key.next")
		}
	}
	if err != nil {
		return fmt.Errorf("the hub's key: %w", err)
	}
	if err := r.stageRoot(root.Signed.Version+1, people, threshold, online.PublicKey, now); err != nil {
		return err
	}
	if targets, err := r.targets(); err != nil || targets == nil {
		return err
	}
	// Those who may sign then must sign what hosts have, too.
	targets, err := r.draft(now)
	if err != nil {
		return err
	}
	return writeMeta(r, r.next("targets.json"), targets)
}

func (r Repository) stageRoot(version int64, people []PublicKey, threshold int, online PublicKey, now time.Time) error {
	if threshold < 1 || threshold > len(people) {
		return fmt.Errorf("%d of %d keys cannot sign: give more keys, or a threshold from 1 to %d", threshold, len(people), len(people))
	}
	root, err := newRoot(version, people, threshold, online, now.Add(RootLife))
	if err != nil {
		return err
	}
	return writeMeta(r, r.next("root.json"), root)
}

func writeMeta[T metadata.Roles](r Repository, path string, meta *metadata.Metadata[T]) error {
	text, err := encode(meta)
	if err != nil {
		return err
	}
	if len(text) > maxMetadata {
		return fmt.Errorf("%s would have %d bytes; want at most %d", path, len(text), maxMetadata)
	}
	return r.write(path, text)
}

// onlineName is the name of the hub's key. While a new one waits for a root, the old one signs.
const onlineName = "online"

func (r Repository) online() (SigningKey, error) {
	for _, name := range []string{"online.key.next", "online.key"} {
		k, err := ReadKey(filepath.Join(r.dir, name), nil)
		if !errors.Is(err, fs.ErrNotExist) {
			return k, err
		}
	}
	return SigningKey{}, fmt.Errorf("%s: %w", filepath.Join(r.dir, "online.key"), fs.ErrNotExist)
}

func (r Repository) newOnline(file string) (SigningKey, error) {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return SigningKey{}, err
	}
	k, err := NewKey(onlineName)
	if err != nil {
		return k, err
	}
	path := filepath.Join(r.dir, file)
	_ = os.Remove(path) // one that no root ever named
	return k, k.writeOpen(path)
}

// onlineOf returns the key that a root lets sign timestamps.
func (r Repository) onlineOf(root rootMeta) (SigningKey, error) {
	var errs []error
	for _, name := range []string{"online.key.next", "online.key"} {
		k, err := ReadKey(filepath.Join(r.dir, name), nil)
		errs = append(errs, err)
		if err != nil {
			continue
		}
		_, id, err := k.tuf()
		if err == nil && slices.Contains(root.Signed.Roles[roleTimestamp].KeyIDs, id) {
			if name != "online.key" {
				err = os.Rename(filepath.Join(r.dir, name), filepath.Join(r.dir, "online.key"))
			}
			return k, err
		}
	}
	return SigningKey{}, fmt.Errorf("the hub's key %s is not the one of the root: bring it back from the backup, or make another one with stackfleet release keys --new-online: %w", filepath.Join(r.dir, "online.key"), errors.Join(errs...))
}
