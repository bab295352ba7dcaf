package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// pending is what waits for signatures. A nil part does not wait.
type pending struct {
	current rootMeta // nil: none is published yet
	root    rootMeta
	targets targetsMeta
	serving targetsMeta // that hosts have now
}

func (r Repository) pending() (p pending, err error) {
	if p.current, err = r.root(); err != nil && !errors.Is(err, ErrNoRoot) {
		return p, err
	}
	text, err := read(r.next("root.json"), maxMetadata)
	if err != nil {
		return p, err
	}
	if p.root, err = decode[metadata.RootType](text); err != nil {
		return p, err
	}
	if p.targets, err = r.nextTargets(); err != nil {
		return p, err
	}
	p.serving, err = r.targets()
	// It was published, and the process ended before it was removed.
	if p.root != nil && p.current != nil && p.root.Signed.Version <= p.current.Signed.Version {
		p.root = nil
	}
	if p.targets != nil && p.serving != nil && p.targets.Signed.Version <= p.serving.Signed.Version {
		p.targets = nil
	}
	return p, err
}

// trusted is the root by which the targets must be signed.
func (p pending) trusted() rootMeta {
	if p.root != nil {
		return p.root
	}
	return p.current
}

// signatures says what each part that waits has, and lacks.
func (p pending) signatures() (all []Signatures) {
	if p.root != nil && p.current != nil {
		s := signaturesOf(p.current, roleRoot, p.root.Signed.Version, p.root)
		s.Role = "root, by the keys of now"
		all = append(all, s)
	}
	if p.root != nil {
		all = append(all, signaturesOf(p.root, roleRoot, p.root.Signed.Version, p.root))
	}
	if p.targets != nil {
		all = append(all, signaturesOf(p.trusted(), roleTargets, p.targets.Signed.Version, p.targets))
	}
	return all
}

// Sign signs all that waits and that the key may sign, and publishes it if it has enough
// signatures then. It returns what each part has before it was published.
func (r Repository) Sign(k SigningKey, now time.Time) (signed []Signatures, published bool, err error) {
	done, err := r.lock(now)
	if err != nil {
		return nil, false, err
	}
	defer done()
	p, err := r.pending()
	if err != nil {
		return nil, false, err
	}
	if p.root == nil && p.targets == nil {
		return nil, false, errors.New("nothing waits for a signature")
	}
	if !p.maySign(k) {
		return nil, false, fmt.Errorf("the key of %s signs nothing of what waits: it is not among the keys of the root", k.Name)
	}
	if p.root != nil {
		if err := errors.Join(sign(p.root, k), writeMeta(r, r.next("root.json"), p.root)); err != nil {
			return nil, false, err
		}
	}
	if p.targets != nil {
		if err := errors.Join(sign(p.targets, k), writeMeta(r, r.next("targets.json"), p.targets)); err != nil {
			return nil, false, err
		}
	}
	signed = p.signatures()
	if slices.ContainsFunc(signed, func(s Signatures) bool { return !s.IsEnough() }) {
		return signed, false, nil
	}
	if err := r.publish(p, now); err != nil {
		return signed, false, err
	}
	return signed, true, nil
}

// maySign reports whether the key belongs to one who may sign something that waits.
func (p pending) maySign(k SigningKey) bool {
	_, id, err := k.tuf()
	for _, root := range []rootMeta{p.current, p.root} {
		if err == nil && root != nil && slices.Contains(root.Signed.Roles[roleRoot].KeyIDs, id) {
			return true
		}
	}
	return false
}

// publish puts what was signed where hosts read it: what is pointed to first, and the
// timestamp, which points to all of it, last.
func (r Repository) publish(p pending, now time.Time) error {
	if p.targets != nil {
		if err := r.publishTargets(p.targets); err != nil {
			return err
		}
	}
	if p.root != nil {
		if err := writeMeta(r, r.public(fmt.Sprintf("%d.root.json", p.root.Signed.Version)), p.root); err != nil {
			return err
		}
	}
	if err := r.refresh(now, true); err != nil && !errors.Is(err, errNoOnline) {
		return err
	}
	return r.Discard()
}

func (r Repository) publishTargets(targets targetsMeta) error {
	for name, info := range targets.Signed.Targets {
		text, err := r.target(targets, name)
		if err != nil {
			return err
		}
		if err := r.write(r.public(fileOf(name, info)), text); err != nil {
			return err
		}
	}
	return writeMeta(r, r.public(fmt.Sprintf("%d.targets.json", targets.Signed.Version)), targets)
}

// errNoOnline means that the folder is a copy without the hub's key.
var errNoOnline = errors.New("the hub's key is not here")

// Refresh signs snapshot and timestamp again if half of their life is over, or if there is
// something that they do not point to yet. The hub calls it every hour. It reports whether it
// did.
func (r Repository) Refresh(now time.Time) (bool, error) {
	done, err := r.lock(now)
	if err != nil {
		return false, err
	}
	defer done()
	before, err := read(r.public("timestamp.json"), maxMetadata)
	if err != nil {
		return false, err
	}
	if err := r.refresh(now, false); err != nil {
		return false, err
	}
	after, err := read(r.public("timestamp.json"), maxMetadata)
	return string(before) != string(after), err
}

func (r Repository) refresh(now time.Time, isForced bool) error {
	root, err := r.root()
	if err != nil {
		return err
	}
	targets, text, err := r.newest(roleTargets)
	if err != nil || text == nil {
		return err // there is no release yet
	}
	if !isForced && r.isFresh(root, targets, now) {
		return nil
	}
	key, err := r.onlineOf(root)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", errNoOnline, err)
	}
	if err != nil {
		return err
	}
	version, err := r.writeSnapshot(key, targets, text, now)
	if err != nil {
		return err
	}
	return r.writeTimestamp(key, version, now)
}

// isFresh reports whether the timestamp is signed by the root's key, points to the targets, and
// has more than half of its life.
func (r Repository) isFresh(root rootMeta, targets int64, now time.Time) bool {
	text, err := read(r.public("timestamp.json"), maxMetadata)
	if err != nil || text == nil {
		return false
	}
	stamp, err := decode[metadata.TimestampType](text)
	if err != nil || root.VerifyDelegate(roleTimestamp, stamp) != nil || now.Add(timestampLife/2).After(stamp.Signed.Expires) {
		return false
	}
	version, text, err := r.newest(roleSnapshot)
	if err != nil || text == nil || stamp.Signed.Meta["snapshot.json"] == nil || stamp.Signed.Meta["snapshot.json"].Version != version {
		return false
	}
	snapshot, err := decode[metadata.SnapshotType](text)
	return err == nil && snapshot.Signed.Meta["targets.json"] != nil && snapshot.Signed.Meta["targets.json"].Version == targets
}

func (r Repository) writeSnapshot(key SigningKey, targets int64, text []byte, now time.Time) (int64, error) {
	before, _, err := r.newest(roleSnapshot)
	if err != nil {
		return 0, err
	}
	snapshot := metadata.Snapshot(now.Add(snapshotLife).UTC().Truncate(time.Second))
	snapshot.Signed.Version = nextVersion(before, now)
	snapshot.Signed.Meta["targets.json"] = metaFile(targets, text)
	if err := sign(snapshot, key); err != nil {
		return 0, err
	}
	if err := writeMeta(r, r.public(fmt.Sprintf("%d.snapshot.json", snapshot.Signed.Version)), snapshot); err != nil {
		return 0, err
	}
	return snapshot.Signed.Version, r.removeOld(roleSnapshot, snapshot.Signed.Version)
}

func (r Repository) writeTimestamp(key SigningKey, snapshot int64, now time.Time) error {
	text, err := read(r.public("timestamp.json"), maxMetadata)
	if err != nil {
		return err
	}
	stamp := metadata.Timestamp(now.Add(timestampLife).UTC().Truncate(time.Second))
	stamp.Signed.Version = nextVersion(0, now)
	if before, err := decode[metadata.TimestampType](text); err == nil && before != nil {
		stamp.Signed.Version = nextVersion(before.Signed.Version, now)
	}
	content, err := read(r.public(fmt.Sprintf("%d.snapshot.json", snapshot)), maxMetadata)
	if err != nil {
		return err
	}
	stamp.Signed.Meta["snapshot.json"] = metaFile(snapshot, content)
	if err := sign(stamp, key); err != nil {
		return err
	}
	return writeMeta(r, r.public("timestamp.json"), stamp)
}

// nextVersion is higher than the one before, also in a repository that was restored from a
// backup: it is the time in seconds.
func nextVersion(before int64, now time.Time) int64 { return max(before+1, now.Unix()) }

func metaFile(version int64, text []byte) *metadata.MetaFiles {
	f := metadata.MetaFile(version)
	f.Length = int64(len(text))
	f.Hashes = metadata.Hashes{"sha256": hashOf(text)}
	return f
}

// removeOld removes old snapshots but for the one before, which a host may be about to read.
func (r Repository) removeOld(role string, newest int64) error {
	names, err := filepath.Glob(r.public("*." + role + ".json"))
	if err != nil {
		return err
	}
	var versions []int64
	for _, name := range names {
		var n int64
		if _, err := fmt.Sscanf(strings.TrimSuffix(filepath.Base(name), "."+role+".json"), "%d", &n); err == nil && n < newest {
			versions = append(versions, n)
		}
	}
	slices.Sort(versions)
	for i := 0; i < len(versions)-1; i++ {
		if err := os.Remove(r.public(fmt.Sprintf("%d.%s.json", versions[i], role))); err != nil {
			return err
		}
	}
	return nil
}
