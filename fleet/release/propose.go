package release

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"stackpolicy/internal/lock"
)

// planName and bundleName are the targets of a channel.
func planName(channel string) string { return channel + "/plan.json" }
func bundleName(channel string, version int64) string {
	return fmt.Sprintf("%s/%d.tar.gz", channel, version)
}

// Propose stages a release of a channel: the next version, with a bundle. edit may change the
// plan, which is the default one. Nothing is published until enough people have signed.
func (r Repository) Propose(channel string, bundle []byte, now time.Time, edit func(*Plan)) (Plan, error) {
	if _, err := Unpack(bundle); err != nil {
		return Plan{}, err
	}
	done, err := r.lock(now)
	if err != nil {
		return Plan{}, err
	}
	defer done()
	before, err := r.published(channel)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Plan{}, err
	}
	p := Plan{
		Schema: PlanSchema, Channel: channel, Version: before.Version + 1, Previous: before.Version, Bundle: DigestOf(bundle),
		Expires: now.Add(TargetsLife).UTC().Truncate(time.Second), Stages: DefaultStages(), Success: DefaultSuccess(),
	}
	edit(&p)
	return p, r.stage(p, bundle, now)
}

// Amend stages a change of the plan of a channel's newest release, which may be staged itself:
// a further stage, or a halt. Its version and its bundle stay.
func (r Repository) Amend(channel string, now time.Time, edit func(*Plan) error) (Plan, error) {
	done, err := r.lock(now)
	if err != nil {
		return Plan{}, err
	}
	defer done()
	before, err := r.planOf(channel)
	if err != nil {
		return Plan{}, err
	}
	p := before
	if err := edit(&p); err != nil {
		return Plan{}, err
	}
	if p.Version != before.Version || p.Bundle != before.Bundle {
		return Plan{}, errors.New("the version and the bundle of a plan do not change: make another release")
	}
	return p, r.stage(p, nil, now)
}

// planOf returns the newest plan of a channel, staged or published.
func (r Repository) planOf(channel string) (Plan, error) {
	targets, err := r.nextTargets()
	if err != nil {
		return Plan{}, err
	}
	if targets == nil {
		return r.published(channel)
	}
	return r.planIn(targets, channel)
}

// published returns the plan of a channel that hosts may have. The error is fs.ErrNotExist if
// there is none.
func (r Repository) published(channel string) (Plan, error) {
	targets, err := r.targets()
	if err != nil {
		return Plan{}, err
	}
	return r.planIn(targets, channel)
}

func (r Repository) planIn(targets targetsMeta, channel string) (Plan, error) {
	if targets == nil || targets.Signed.Targets[planName(channel)] == nil {
		return Plan{}, noRelease(channel)
	}
	text, err := r.target(targets, planName(channel))
	if err != nil {
		return Plan{}, err
	}
	return ParsePlan(text)
}

// noRelease is the error for a channel without a release, an fs.ErrNotExist.
type noRelease string

func (channel noRelease) Error() string {
	return fmt.Sprintf("channel %.100q has no release; make one with stackfleet release build --channel", string(channel))
}

func (noRelease) Is(target error) bool { return target == fs.ErrNotExist }

// target returns the content of a target, staged or published, if it is as the metadata says.
func (r Repository) target(targets targetsMeta, name string) ([]byte, error) {
	info := targets.Signed.Targets[name]
	file := fileOf(name, info)
	text, err := read(r.next(path.Join("files", file)), MaxBundle)
	if err == nil && text == nil {
		text, err = read(r.public(file), MaxBundle)
	}
	if err == nil && text == nil {
		err = fs.ErrNotExist
	}
	if err == nil {
		err = info.VerifyLengthHashes(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// fileOf returns where a target is served: TUF's consistent snapshots put the digest before its
// name.
func fileOf(name string, info *metadata.TargetFiles) string {
	return path.Join(path.Dir(name), hex.EncodeToString(info.Hashes["sha256"])+"."+path.Base(name))
}

func (r Repository) nextTargets() (targetsMeta, error) {
	text, err := read(r.next("targets.json"), maxMetadata)
	if err != nil {
		return nil, err
	}
	return decode[metadata.TargetsType](text)
}

// stage writes targets that wait for signatures: those that wait already or those that are
// published, with this plan. Without a bundle, that of the plan stays.
func (r Repository) stage(p Plan, bundle []byte, now time.Time) error {
	text, err := p.Text()
	if err != nil {
		return err
	}
	targets, err := r.draft(now)
	if err != nil {
		return err
	}
	if bundle != nil {
		maps.DeleteFunc(targets.Signed.Targets, func(name string, _ *metadata.TargetFiles) bool { return path.Dir(name) == p.Channel })
		if err := r.addTarget(targets, bundleName(p.Channel, p.Version), bundle); err != nil {
			return err
		}
	}
	if err := r.addTarget(targets, planName(p.Channel), text); err != nil {
		return err
	}
	return writeMeta(r, r.next("targets.json"), targets)
}

func (r Repository) addTarget(targets targetsMeta, name string, text []byte) error {
	info, err := metadata.TargetFile().FromBytes(name, text)
	if err != nil {
		return err
	}
	info.Path = "" // it is the key
	targets.Signed.Targets[name] = info
	return r.write(r.next(path.Join("files", fileOf(name, info))), text)
}

// draft returns targets of the next version, without signatures.
func (r Repository) draft(now time.Time) (targetsMeta, error) {
	if _, err := r.root(); err != nil {
		return nil, err
	}
	version, text, err := r.newest(roleTargets)
	if err != nil {
		return nil, err
	}
	targets, err := r.nextTargets()
	if err == nil && targets == nil {
		targets, err = decode[metadata.TargetsType](text)
	}
	if err != nil {
		return nil, err
	}
	if targets == nil {
		targets = metadata.Targets()
	}
	targets.Signed.Version = version + 1
	targets.ClearSignatures()
	targets.Signed.Expires = now.Add(TargetsLife).UTC().Truncate(time.Second)
	return targets, nil
}

// Discard removes what waits for signatures.
func (r Repository) Discard() error { return os.RemoveAll(filepath.Join(r.dir, "next")) }

// Channels returns the names of the channels that have a release, staged or published.
func (r Repository) Channels() ([]string, error) {
	targets, err := r.nextTargets()
	if err == nil && targets == nil {
		targets, err = r.targets()
	}
	if err != nil || targets == nil {
		return nil, err
	}
	return channelsOf(targets), nil
}

func channelsOf(targets targetsMeta) (names []string) {
	for name := range targets.Signed.Targets {
		names = append(names, path.Dir(name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lock keeps other processes out, such as the hub's that signs timestamps.
func (r Repository) lock(now time.Time) (func(), error) {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, err
	}
	done, err := lock.Take(filepath.Join(r.dir, "lock"), now)
	if err != nil {
		return nil, fmt.Errorf("the releases in %s: %w", r.dir, err)
	}
	return done, nil
}
