package archive

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/history"
	"stackpolicy/internal/sqlite"
	"stackpolicy/internal/text"
)

// Bounds of what one source may cost.
const (
	maxAtOnce  = 200             // envelopes of a chain that are added before the next chain's
	maxBytes   = 32 << 20        // of them
	maxTurn    = 5 * time.Second // that this may take
	maxMemory  = 2 << 30         // bytes; a source has a few million
	maxAliases = 1_000_000
	maxFolder  = 200 // bytes of a name
)

// memoryFolder returns the state folder of the memory of a chain: its history is below it as
// below a host's $XDG_STATE_HOME.
func (a *Archive) memoryFolder(subject string, key fleet.PublicKey) string {
	_, name, _ := strings.Cut(subject, ".")
	if len(name) > maxFolder { // a file system takes 255
		name = fmt.Sprintf("%s~%x", name[:maxFolder/2], sha256.Sum256([]byte(name)))
	}
	_, short, _ := strings.Cut(key.Fingerprint(), ":")
	short = strings.NewReplacer("/", "_", "+", "-").Replace(short[:12])
	return filepath.Join(a.dir, "memory", name+"~"+short)
}

// applyChain adds what follows in a chain to its memory.
func (a *Archive) applyChain(ctx context.Context, d *sqlite.DB, c applied, now time.Time) (more bool, err error) {
	if from, err := nextNumber(ctx, d, c); err != nil || from == 0 {
		return false, err
	}
	x := copier{d: d, chain: &c, home: a.memoryFolder(c.subject, c.key)}
	if x.store, err = openMemory(ctx, d, &c, x.home); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, x.store.Close()) }()
	next, err := nextEnvelopes(ctx, d, c)
	if err != nil {
		return false, err
	}
	began := time.Now()
	for _, e := range next {
		if err := x.add(ctx, e); err != nil {
			return false, err
		}
		if time.Since(began) > maxTurn {
			break
		}
	}
	from, err := nextNumber(ctx, d, c)
	return from > 0, errors.Join(err, a.look(ctx, d, x.store, c, now))
}

// openMemory opens the memory of a chain. One that is gone or damaged is made again from all
// envelopes: the shard says so first, else a process that is killed here would leave a hole.
func openMemory(ctx context.Context, d *sqlite.DB, c *applied, home string) (*history.Store, error) {
	for _, dir := range []string{filepath.Dir(home), home} {
		if err := sqlite.OwnFolder(dir); err != nil {
			return nil, err
		}
	}
	store, err := history.OpenExisting(ctx, home)
	if damaged := (*sqlite.UnusableError)(nil); !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &damaged) {
		return store, err
	}
	c.applied, c.lost = 0, 0
	if err := d.Update(ctx, func(tx sqlite.Tx) error {
		return errors.Join(
			tx.Do("UPDATE chains SET applied = 0, lost = 0 WHERE id = ?", c.id),
			tx.Do("DELETE FROM generations WHERE chain = ?", c.id),
			tx.Do("DELETE FROM aliases WHERE chain = ?", c.id))
	}); err != nil {
		return nil, err
	}
	return history.Open(ctx, home, sqlite.Moment(c.enrolled))
}

// nextNumber returns the number of the envelope that follows in the chain; 0 if none is there.
// After a gap that is the next one that begins anew.
func nextNumber(ctx context.Context, d *sqlite.DB, c applied) (seq int64, err error) {
	err = d.View(ctx, func(tx sqlite.Tx) error {
		return tx.One(`SELECT coalesce((SELECT seq FROM envelopes WHERE chain = ?1 AND seq = ?2 + 1),
			(SELECT min(seq) FROM envelopes WHERE chain = ?1 AND seq > ?2 AND resets = 1), 0)`, c.id, c.applied).Scan(&seq)
	})
	return seq, err
}

// nextEnvelopes returns what follows in the chain, up to the next gap, and no more than is added
// at once.
func nextEnvelopes(ctx context.Context, d *sqlite.DB, c applied) (list []stored, err error) {
	from, err := nextNumber(ctx, d, c)
	if err != nil || from == 0 {
		return nil, err
	}
	err = d.View(ctx, func(tx sqlite.Tx) error {
		list, err = sqlite.List(tx, scanStored, `SELECT seq, sealed FROM envelopes WHERE chain = ?1 AND seq IN (
			SELECT seq FROM (SELECT seq, sum(size) OVER (ORDER BY seq) AS total FROM (
				SELECT seq, length(sealed) AS size FROM envelopes WHERE chain = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3))
			WHERE total <= ?4) ORDER BY seq`, c.id, from, maxAtOnce, maxBytes)
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

// copier adds envelopes of a chain to its memory.
type copier struct {
	d     *sqlite.DB
	store *history.Store
	chain *applied
	home  string

	of     int64           // the history whose rows places is about
	places *history.Places // nil: not read yet
}

// add adds the rows of one envelope. What no version of the program makes is passed over, and
// counted as refused.
func (x *copier) add(ctx context.Context, e stored) error {
	letter, err := fleet.Open(x.chain.subject, e.sealed, x.chain.key)
	if err != nil {
		return fmt.Errorf("envelope %d was changed on the disk: %w; see stackfleet verify", e.seq, err)
	}
	fresh, lost, err := x.rows(ctx, letter)
	why := ""
	if errors.Is(err, history.ErrForeign) {
		why, err = text.Clip(fmt.Sprintf("envelope %d: %v", e.seq, err), maxRefusal), nil
	}
	if err != nil {
		return err
	}
	x.chain.applied = e.seq
	x.chain.lost += min(max(0, lost), maxLost)
	return x.d.Update(ctx, func(tx sqlite.Tx) error {
		if err := keepAliases(tx, x.chain.id, fresh); err != nil {
			return err
		}
		if why != "" {
			if err := tx.Do("UPDATE chains SET refused = refused + 1, refusal = ? WHERE id = ?", why, x.chain.id); err != nil {
				return err
			}
		}
		return tx.Do("UPDATE chains SET applied = ?, lost = ? WHERE id = ?", x.chain.applied, x.chain.lost, x.chain.id)
	})
}

// maxLost bounds the audits that one envelope may say are lost.
const maxLost = 1 << 32

// rows adds the rows of an envelope. It returns the aliases that are new, and how many audits the
// envelope says are lost.
func (x *copier) rows(ctx context.Context, letter fleet.Envelope) (fresh history.Places, lost int64, err error) {
	if len(letter.Evidence) == 0 {
		return fresh, 0, nil
	}
	var rows history.Shipment
	if err := json.Unmarshal(letter.Evidence, &rows); err != nil {
		return fresh, 0, fmt.Errorf("%w: %w", history.ErrForeign, err)
	}
	if err := x.seek(ctx, rows.Began); err != nil {
		return fresh, 0, err
	}
	if rows.Reset { // what is still open comes again; the end of the rest may have been lost
		if err := x.store.Abandon(ctx, sqlite.Stamp(letter.At)); err != nil {
			return fresh, 0, err
		}
	}
	after := *x.places
	if err := x.store.Import(ctx, rows, &after); err != nil {
		return fresh, 0, err
	}
	fresh.Parts, fresh.Documents = added(x.places.Parts, after.Parts), added(x.places.Documents, after.Documents)
	x.places = &after
	return fresh, rows.Lost, nil
}

// added returns what a map has that it did not have before, or had otherwise.
func added(before, after map[int64]int64) map[int64]int64 {
	fresh := map[int64]int64{}
	for number, id := range after {
		if was, has := before[number]; !has || was != id {
			fresh[number] = id
		}
	}
	return fresh
}

// seek reads where the rows of a history go, unless it did that for the envelope before.
func (x *copier) seek(ctx context.Context, began int64) error {
	info, err := os.Stat(history.Path(x.home))
	if err != nil {
		return fmt.Errorf("read the size of a memory: %w", err)
	}
	if info.Size() > maxMemory {
		return fmt.Errorf("%w: its memory has %d bytes already", history.ErrForeign, info.Size())
	}
	if x.places != nil && x.of == began && len(x.places.Parts)+len(x.places.Documents) <= maxAliases {
		return nil
	}
	p, err := placesOf(ctx, x.d, x.store, x.chain.id, began)
	if err != nil {
		return err
	}
	x.of, x.places = began, &p
	return nil
}
