package release

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"stackpolicy/internal/regularfile"
)

func hashOf(text []byte) metadata.HexBytes {
	sum := sha256.Sum256(text)
	return sum[:]
}

// Status is how a repository is.
type Status struct {
	Waiting   []Signatures // what waits for signatures
	Keys      *Keys        // of a root among it; nil: none is
	Staged    []Plan       // plans among it
	Published []Plan
	Ends      []End // of what is published
}

// Keys says who may sign.
type Keys struct {
	People    []string
	Threshold int
}

// End is when something ends that people or the hub have to sign again.
type End struct {
	What string
	At   time.Time
	Do   string // what to do about it
}

// Warning says that it ended or ends soon; "" is neither.
func (e End) Warning(now time.Time) string {
	switch left := e.At.Sub(now); {
	case left <= 0:
		return fmt.Sprintf("%s expired on %s: hosts take nothing new. %s", e.What, e.At.Format(time.DateOnly), e.Do)
	case left <= WarnBefore:
		return fmt.Sprintf("%s expires on %s, in %d days. %s", e.What, e.At.Format(time.DateOnly), int(left.Hours()/24), e.Do)
	}
	return ""
}

// Status returns how the repository is. It is [ErrNoRoot] if it does not exist.
func (r Repository) Status(now time.Time) (s Status, err error) {
	p, err := r.pending()
	if err != nil {
		return s, err
	}
	if p.current == nil && p.root == nil {
		return s, ErrNoRoot
	}
	s.Waiting = p.signatures()
	if p.root != nil {
		role := p.root.Signed.Roles[roleRoot]
		s.Keys = &Keys{Threshold: role.Threshold}
		for _, id := range role.KeyIDs {
			s.Keys.People = append(s.Keys.People, nameOf(p.root, id))
		}
	}
	if s.Staged, err = r.plans(p.targets); err != nil {
		return s, err
	}
	if s.Published, err = r.plans(p.serving); err != nil {
		return s, err
	}
	s.Ends, err = r.ends(p, now)
	return s, err
}

func (r Repository) plans(targets targetsMeta) (plans []Plan, err error) {
	if targets == nil {
		return nil, nil
	}
	for _, channel := range channelsOf(targets) {
		p, err := r.planIn(targets, channel)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

func (r Repository) ends(p pending, now time.Time) (ends []End, err error) {
	if p.current != nil {
		ends = append(ends, End{"the root", p.current.Signed.Expires, "Renew it: stackfleet release keys, then sign"})
	}
	if p.serving == nil {
		return ends, nil
	}
	ends = append(ends, End{"the list of releases", p.serving.Signed.Expires, "Renew it: stackfleet release stage CHANNEL --renew, then sign"})
	plans, err := r.plans(p.serving)
	if err != nil {
		return nil, err
	}
	for _, plan := range plans {
		ends = append(ends, End{fmt.Sprintf("release %d of channel %s", plan.Version, plan.Channel), plan.Expires, "Renew it: stackfleet release stage " + plan.Channel + " --renew, then sign"})
	}
	text, err := read(r.public("timestamp.json"), maxMetadata)
	if err != nil || text == nil {
		return ends, err
	}
	stamp, err := decode[metadata.TimestampType](text)
	if err != nil {
		return nil, err
	}
	// The hub signs it again every week: if it is near its end, the hub does not.
	if e := (End{"the timestamp", stamp.Signed.Expires, "The hub signs it: see why stackfleet serve does not run"}); e.At.Sub(now) < timestampLife/2 {
		ends = append(ends, e)
	}
	return ends, nil
}

// Files calls take with each public file: what is pointed to before what points to it, so that
// hosts that read meanwhile see a whole release. The timestamp is last.
func (r Repository) Files(take func(name string, text []byte) error) error {
	var names []string
	err := filepath.WalkDir(r.Public(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		name, err := filepath.Rel(r.Public(), path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for rank := range 5 {
		for _, name := range names {
			if rankOf(name) != rank {
				continue
			}
			text, err := regularfile.Read(r.public(name), MaxBundle)
			if err == nil {
				err = take(name, text)
			}
			if err != nil {
				return fmt.Errorf("publish %s: %w", name, err)
			}
		}
	}
	return nil
}

func rankOf(name string) int {
	switch {
	case strings.Contains(name, "/"):
		return 0
	case strings.HasSuffix(name, ".targets.json"):
		return 1
	case strings.HasSuffix(name, ".snapshot.json"):
		return 2
	case strings.HasSuffix(name, ".root.json"):
		return 3
	}
	return 4
}
