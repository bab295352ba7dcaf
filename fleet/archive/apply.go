package archive

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/overview"
	"stackpolicy/history"
	"stackpolicy/internal/sqlite"
)

// maxAtOnce bounds the envelopes of a chain that are added to its memory before the next chain's.
const maxAtOnce = 200

// Apply adds to the memories what envelopes of these sources have, and without sources of all.
// It goes on with the next envelope only if that is there, or begins anew. If the process is
// killed, what was added is added again, which changes nothing. More reports whether some
// source has more.
func (a *Archive) Apply(ctx context.Context, now time.Time, sources ...fleet.Source) (more bool, err error) {
	var errs []error
	each := func(d *sqlite.DB, subject string) error {
		due, err := dueChains(ctx, d, subject)
		for _, c := range due {
			left, err := a.applyChain(ctx, d, c, now)
			if err != nil {
				errs = append(errs, fmt.Errorf("add to the memory of %s: %w", c.subject, err))
			}
			more = more || left && err == nil
		}
		return err
	}
	if len(sources) == 0 {
		err := a.eachShard(ctx, func(d *sqlite.DB) error { return each(d, "") })
		return more, errors.Join(append(errs, err)...)
	}
	for _, s := range sources {
		subject, err1 := s.Subject()
		d, err2 := a.shard(ctx, shardOf(s))
		if err := errors.Join(err1, err2); err != nil {
			return more, err
		}
		if err := each(d, subject); err != nil {
			return more, err
		}
	}
	return more, errors.Join(errs...)
}

// applied is a chain with what is needed to add to its memory.
type applied struct {
	id, applied, enrolled, lost int64
	subject                     string
	key                         fleet.PublicKey
}

// dueChains returns the chains of which envelopes are not in the memory; of all subjects for "".
func dueChains(ctx context.Context, d *sqlite.DB, subject string) (due []applied, err error) {
	err = d.View(ctx, func(tx sqlite.Tx) (err error) {
		due, err = sqlite.List(tx, func(r sqlite.Row) (c applied, err error) {
			var key []byte
			err = r.Scan(&c.id, &c.applied, &c.enrolled, &c.lost, &c.subject, &key)
			c.key = key
			return c, err
		}, "SELECT id, applied, enrolled, lost, subject, key FROM chains WHERE applied < newest AND (subject = ?1 OR ?1 = '')", subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what is not in the memories: %w", err)
	}
	return due, nil
}

// memoryFolder returns the state folder of the memory of a chain: its history is below it as
// below a host's $XDG_STATE_HOME.
func (a *Archive) memoryFolder(subject string, key fleet.PublicKey) string {
	_, name, _ := strings.Cut(subject, ".")
	_, short, _ := strings.Cut(key.Fingerprint(), ":")
	short = strings.NewReplacer("/", "_", "+", "-").Replace(short[:12])
	return filepath.Join(a.dir, "memory", name+"~"+short)
}

func (a *Archive) applyChain(ctx context.Context, d *sqlite.DB, c applied, now time.Time) (more bool, err error) {
	next, err := nextEnvelopes(ctx, d, c)
	if err != nil || len(next) == 0 {
		return false, err
	}
	home := a.memoryFolder(c.subject, c.key)
	if err := sqlite.OwnFolder(filepath.Dir(home)); err != nil {
		return false, err
	}
	if err := sqlite.OwnFolder(home); err != nil {
		return false, err
	}
	store, err := history.Open(ctx, home, sqlite.Moment(c.enrolled))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for _, e := range next {
		if err := a.applyOne(ctx, d, store, &c, e); err != nil {
			return false, err
		}
	}
	return len(next) == maxAtOnce, a.look(ctx, d, store, c, now)
}

// nextEnvelopes returns what follows in the chain, up to the next gap. After a gap it goes on
// with the next envelope that begins anew.
func nextEnvelopes(ctx context.Context, d *sqlite.DB, c applied) (list []stored, err error) {
	err = d.View(ctx, func(tx sqlite.Tx) error {
		var from sql.NullInt64
		err := tx.One(`SELECT coalesce((SELECT seq FROM envelopes WHERE chain = ?1 AND seq = ?2 + 1),
			(SELECT min(seq) FROM envelopes WHERE chain = ?1 AND seq > ?2 AND resets = 1))`, c.id, c.applied).Scan(&from)
		if err != nil || !from.Valid {
			return err
		}
		list, err = sqlite.List(tx, scanStored, "SELECT seq, sealed FROM envelopes WHERE chain = ? AND seq >= ? ORDER BY seq LIMIT ?", c.id, from.Int64, maxAtOnce)
		for i := 1; i < len(list); i++ {
			if list[i].seq != list[i-1].seq+1 {
				list = list[:i]
			}
		}
		return err
	})
	return list, err
}

type stored struct {
	seq    int64
	sealed []byte
}

func scanStored(r sqlite.Row) (s stored, err error) {
	err = r.Scan(&s.seq, &s.sealed)
	return s, err
}

// applyOne adds the rows of one envelope. What is no such rows is passed over: the source signed
// something that no version of the program makes.
func (a *Archive) applyOne(ctx context.Context, d *sqlite.DB, store *history.Store, c *applied, e stored) error {
	letter, err := fleet.Open(c.subject, e.sealed, c.key)
	if err != nil {
		return fmt.Errorf("envelope %d was changed on the disk: %w; see stackfleet verify", e.seq, err)
	}
	var rows history.Shipment
	aliases := history.Places{}
	if len(letter.Evidence) > 0 && json.Unmarshal(letter.Evidence, &rows) == nil {
		places, err := placesOf(ctx, d, store, c.id, rows.Began)
		if err != nil {
			return err
		}
		aliases = places
		if err := store.Import(ctx, rows, &aliases); err != nil {
			return err
		}
	}
	c.applied = e.seq
	c.lost += max(0, rows.Lost)
	return d.Update(ctx, func(tx sqlite.Tx) error {
		if err := keepAliases(tx, c.id, aliases); err != nil {
			return err
		}
		return tx.Do("UPDATE chains SET applied = ?, lost = ? WHERE id = ?", c.applied, c.lost, c.id)
	})
}

// placesOf returns where rows go. Those of a new memory of the host go behind all others, and
// what was open in the one before is ended.
func placesOf(ctx context.Context, d *sqlite.DB, store *history.Store, chain, began int64) (p history.Places, err error) {
	var known bool
	err = d.View(ctx, func(tx sqlite.Tx) error {
		err := tx.One("SELECT span, finding, action FROM generations WHERE chain = ? AND began = ?", chain, began).Scan(&p.Span, &p.Finding, &p.Action)
		if known = err == nil; errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		if err == nil {
			err = readAliases(tx, chain, &p)
		}
		return err
	})
	if err != nil || known {
		return p, err
	}
	behind, err := store.Places(ctx)
	if err != nil {
		return p, err
	}
	p.Span, p.Finding, p.Action = behind.Span, behind.Finding, behind.Action
	if err := store.Abandon(ctx, began); err != nil {
		return p, err
	}
	return p, d.Update(ctx, func(tx sqlite.Tx) error {
		return tx.Do("INSERT INTO generations (chain, began, span, finding, action) VALUES (?, ?, ?, ?, ?)", chain, began, p.Span, p.Finding, p.Action)
	})
}

// The kinds of aliases.
const (
	ofParts     = "part"
	ofDocuments = "document"
)

func readAliases(tx sqlite.Tx, chain int64, p *history.Places) error {
	p.Parts, p.Documents = map[int64]int64{}, map[int64]int64{}
	_, err := sqlite.List(tx, func(r sqlite.Row) (number int64, err error) {
		var kind string
		var id int64
		err = r.Scan(&kind, &number, &id)
		if kind == ofParts {
			p.Parts[number] = id
		} else {
			p.Documents[number] = id
		}
		return number, err
	}, "SELECT kind, number, id FROM aliases WHERE chain = ?", chain)
	return err
}

func keepAliases(tx sqlite.Tx, chain int64, p history.Places) error {
	for kind, all := range map[string]map[int64]int64{ofParts: p.Parts, ofDocuments: p.Documents} {
		for number, id := range all {
			if err := tx.Do("INSERT OR REPLACE INTO aliases (chain, kind, number, id) VALUES (?, ?, ?, ?)", chain, kind, number, id); err != nil {
				return err
			}
		}
	}
	return nil
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

// look keeps what the memory says now.
func (a *Archive) look(ctx context.Context, d *sqlite.DB, store *history.Store, c applied, now time.Time) error {
	v, err := viewOf(ctx, store, now)
	if err != nil {
		return err
	}
	text, err := sqlite.Encode(v)
	if err != nil {
		return err
	}
	return d.Update(ctx, func(tx sqlite.Tx) error {
		return tx.Do("UPDATE chains SET view = ? WHERE id = ?", text, c.id)
	})
}
