package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"stackpolicy/fleet"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/sqlite"
)

// Sources returns what the archive knows of each source that was enrolled, of its present key.
func (a *Archive) Sources(ctx context.Context) ([]overview.Source, error) {
	all := []overview.Source{}
	err := a.eachShard(ctx, func(d *sqlite.DB) error {
		return d.View(ctx, func(tx sqlite.Tx) error {
			identities, err := a.identitiesOf(tx)
			if err != nil {
				return err
			}
			for _, id := range identities {
				s, err := sourceOf(tx, id)
				if err != nil {
					return err
				}
				all = append(all, s)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the sources of the archive: %w", err)
	}
	return all, nil
}

// identitiesOf returns the identities of a shard. One that the registry did not sign is an error.
func (a *Archive) identitiesOf(tx sqlite.Tx) ([]fleet.Identity, error) {
	return sqlite.List(tx, func(r sqlite.Row) (id fleet.Identity, err error) {
		var subject string
		var statement []byte
		if err := r.Scan(&subject, &statement); err != nil {
			return id, err
		}
		source, err := fleet.ParseSubject(subject)
		if err != nil {
			return id, err
		}
		return id, fleet.OpenStatement(fleet.IdentityKind, source, statement, a.keys.Registry, &id)
	}, "SELECT subject, statement FROM identities ORDER BY subject")
}

func sourceOf(tx sqlite.Tx, id fleet.Identity) (s overview.Source, err error) {
	subject, err := id.Subject()
	if err != nil {
		return s, err
	}
	s = overview.Source{Source: id.Source, Key: id.Key.Fingerprint(), Enrolled: id.Enrolled, Revoked: id.Revoked}
	var chain, newest, applied, received int64
	var headText, viewText string
	err = tx.One("SELECT id, newest, received, head, fork, clock, refused, refusal, applied, view FROM chains WHERE subject = ? AND key = ?", subject, []byte(id.Key)).
		Scan(&chain, &newest, &received, &headText, &s.Fork, &s.Clock, &s.Refused, &s.Refusal, &applied, &viewText)
	if err != nil {
		return s, err
	}
	var h head
	var v view
	if err = sqlite.Decode(headText, &h); err == nil {
		err = sqlite.Decode(viewText, &v)
	}
	if err != nil {
		return s, err
	}
	s.Newest, s.Applied, s.Beat, s.Boot, s.Program = uint64(newest), uint64(applied), h.Beat, h.Boot, h.Program
	s.Findings, s.Days, s.AsOf, s.NoHomeManager, s.NixOS = v.Findings, v.Days, v.AsOf, v.NoHomeManager, v.NixOS
	if newest > 0 {
		s.Received = sqlite.Moment(received)
	}
	s.Missing, err = unaccepted(tx, chain, maxRanges)
	if err == nil {
		err = tx.One("SELECT lost, (SELECT coalesce(sum(last - first + 1), 0) FROM gaps WHERE chain = chains.id AND accepted IS NOT NULL) FROM chains WHERE id = ?", chain).
			Scan(&s.Lost, &s.Accepted)
	}
	return s, err
}

// Memory is the memory of a chain at the hub.
type Memory struct {
	fleet.Source
	Key  fleet.PublicKey
	Home string // its state folder, as [history.OpenReadOnly] takes it
}

// Memories returns the memories of all chains, in the order of their subjects: also of keys that
// were replaced.
func (a *Archive) Memories(ctx context.Context) (all []Memory, err error) {
	for shard := range Shards {
		found, err := a.MemoriesOf(ctx, shard)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(x, y Memory) int { return compareSources(x.Source, y.Source) })
	return all, nil
}

// MemoriesOf returns the memories of the chains in a shard.
func (a *Archive) MemoriesOf(ctx context.Context, shard int) (all []Memory, err error) {
	d, err := a.shard(ctx, shard)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = d.View(ctx, func(tx sqlite.Tx) (err error) {
			all, err = sqlite.List(tx, a.scanMemory, "SELECT subject, key FROM chains WHERE applied > 0 ORDER BY subject, id")
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the memories of the archive: %w", err)
	}
	return all, nil
}

func (a *Archive) scanMemory(r sqlite.Row) (m Memory, err error) {
	var subject string
	var key []byte
	if err := r.Scan(&subject, &key); err != nil {
		return m, err
	}
	m.Source, err = fleet.ParseSubject(subject)
	m.Key, m.Home = key, a.memoryFolder(subject, key)
	return m, err
}
