package archive

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	maxBytes   = 8 << 20         // of them, as they came, and of their rows; one may have more
	maxTurn    = 5 * time.Second // that this may take, half of what a transaction may
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

// applyChain adds what follows in a chain to its memory, and then notes in the shard that it is
// there. The order matters: the memory's transaction is on the disk before the shard says so. A
// process that is killed between the two, or the machine, adds the same envelopes again, which
// changes nothing. The other way round they would be missing in the memory for ever.
func (a *Archive) applyChain(ctx context.Context, c applied, now time.Time) (more bool, err error) {
	d := c.shard
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
	list, unread := x.read(next)
	t, err := x.add(ctx, list)
	if t.count == 0 {
		return false, errors.Join(err, unread)
	}
	v, unseen := viewOf(ctx, x.store, now)
	more, unkept := x.keep(ctx, t, v, unseen == nil)
	return more, errors.Join(err, unread, unseen, unkept)
}

// openMemory opens the memory of a chain. One that is gone or damaged is made again from all
// envelopes: the disk of the shard has that first, else a process that is killed here would leave a
// hole.
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
	if err := d.UpdateNow(ctx, func(tx sqlite.Tx) error {
		return errors.Join(
			tx.Do("UPDATE chains SET applied = 0, lost = 0 WHERE id = ? AND applied + lost > 0", c.id), // of a new chain nothing is written
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
	err = d.View(ctx, func(tx sqlite.Tx) (err error) {
		seq, err = numberAfter(tx, c)
		return err
	})
	return seq, err
}

func numberAfter(tx sqlite.Tx, c applied) (seq int64, err error) {
	err = tx.One(`SELECT coalesce((SELECT seq FROM envelopes WHERE chain = ?1 AND seq = ?2 + 1),
		(SELECT min(seq) FROM envelopes WHERE chain = ?1 AND seq > ?2 AND resets = 1), 0)`, c.id, c.applied).Scan(&seq)
	return seq, err
}

// nextEnvelopes returns what follows in the chain, up to the next gap, and no more than is added
// at once.
func nextEnvelopes(ctx context.Context, d *sqlite.DB, c applied) (list []stored, err error) {
	err = d.View(ctx, func(tx sqlite.Tx) error {
		from, err := numberAfter(tx, c)
		if err != nil || from == 0 {
			return err
		}
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
}

// addition is an envelope that was read. What no version of the program makes is passed over, and
// counted as refused.
type addition struct {
	seq     int64
	at      time.Time
	rows    *history.Shipment // nil: it has none, or is foreign
	foreign error             // why it is a [history.ErrForeign]
}

// read reads as many envelopes as are added in one transaction: all rows are of one history. One
// that was changed on the disk is an error; what was read before it is returned with the error.
func (x *copier) read(next []stored) (list []addition, err error) {
	size := 0
	var first *history.Shipment
	for _, e := range next {
		letter, err := fleet.Open(x.chain.subject, e.sealed, x.chain.key)
		if err != nil {
			return list, fmt.Errorf("envelope %d was changed on the disk: %w; see stackfleet verify", e.seq, err)
		}
		one := addition{seq: e.seq, at: letter.At}
		one.rows, one.foreign = rowsOf(letter)
		if size += len(letter.Evidence); size > maxBytes && len(list) > 0 {
			break
		}
		if one.rows != nil && first == nil {
			first = one.rows
		}
		if one.rows != nil && one.rows.Began != first.Began {
			break
		}
		list = append(list, one)
	}
	return list, nil
}

func rowsOf(letter fleet.Envelope) (*history.Shipment, error) {
	if len(letter.Evidence) == 0 {
		return nil, nil
	}
	rows := new(history.Shipment)
	if err := json.Unmarshal(letter.Evidence, rows); err != nil {
		return nil, fmt.Errorf("%w: %w", history.ErrForeign, err)
	}
	return rows, nil
}

// turn is what was added to the memory, and is not yet noted in the shard.
type turn struct {
	count   int   // envelopes
	applied int64 // the last one's number
	lost    int64 // audits that they say are lost
	refused int   // envelopes
	refusal string
	aliases history.Places // those that are new
}

// add adds envelopes in one transaction of the memory; none is begun if they have no rows. If one
// cannot be added, those before it are, and the error says why.
func (x *copier) add(ctx context.Context, list []addition) (t turn, err error) {
	i := slices.IndexFunc(list, func(one addition) bool { return one.rows != nil })
	if i < 0 {
		err = x.each(list, nil, nil, &t)
		return t, err
	}
	places, err := x.seek(ctx, list[i].rows.Began)
	if errors.Is(err, history.ErrForeign) {
		for n := range list {
			if list[n].rows != nil {
				list[n].rows, list[n].foreign = nil, err
			}
		}
		err = x.each(list, nil, nil, &t)
		return t, err
	}
	if err != nil {
		return t, err
	}
	err = x.store.ImportAll(ctx, func(to *history.Importer) error { return x.each(list, to, &places, &t) })
	if err == nil {
		return t, nil
	}
	if t.count == 0 || t.count == len(list) || ctx.Err() != nil {
		return turn{}, err
	}
	t, again := x.add(ctx, list[:t.count])
	return t, errors.Join(err, again)
}

// each adds one envelope after the other, until that took long.
func (x *copier) each(list []addition, to *history.Importer, places *history.Places, t *turn) error {
	t.aliases = history.Places{Parts: map[int64]int64{}, Documents: map[int64]int64{}}
	began := time.Now()
	for _, one := range list {
		if one.rows != nil && t.count > 0 && (time.Since(began) > maxTurn || len(places.Parts)+len(places.Documents) > maxAliases) {
			return nil
		}
		err := one.foreign
		if one.rows != nil {
			err = t.add(one, to, places)
		}
		if errors.Is(err, history.ErrForeign) {
			t.refused++
			t.refusal, err = text.Clip(fmt.Sprintf("envelope %d: %v", one.seq, err), maxRefusal), nil
		}
		if err != nil {
			return err
		}
		t.count++
		t.applied = one.seq
	}
	return nil
}

// maxLost bounds the audits that one envelope may say are lost.
const maxLost = 1 << 32

func (t *turn) add(one addition, to *history.Importer, places *history.Places) error {
	if one.rows.Reset { // what is still open comes again; the end of the rest may have been lost
		if err := to.Abandon(sqlite.Stamp(one.at)); err != nil {
			return err
		}
	}
	fresh, err := to.Import(*one.rows, places)
	if err != nil {
		return err
	}
	maps.Copy(t.aliases.Parts, fresh.Parts)
	maps.Copy(t.aliases.Documents, fresh.Documents)
	t.lost += min(max(0, one.rows.Lost), maxLost)
	return nil
}

// seek returns where the rows of a history go.
func (x *copier) seek(ctx context.Context, began int64) (p history.Places, err error) {
	info, err := os.Stat(history.Path(x.home))
	if err != nil {
		return p, fmt.Errorf("read the size of a memory: %w", err)
	}
	if info.Size() > maxMemory {
		return p, fmt.Errorf("%w: its memory has %d bytes already", history.ErrForeign, info.Size())
	}
	return placesOf(ctx, x.d, x.store, x.chain.id, began)
}

// keep notes what is in the memory now, and how that looks if it could be read. More reports
// whether another envelope follows.
func (x *copier) keep(ctx context.Context, t turn, v view, isSeen bool) (more bool, err error) {
	encoded, err := sqlite.Encode(v)
	if err != nil {
		return false, err
	}
	x.chain.applied, x.chain.lost = t.applied, x.chain.lost+t.lost
	err = x.d.Update(ctx, func(tx sqlite.Tx) error {
		if err := keepAliases(tx, x.chain.id, t.aliases); err != nil {
			return err
		}
		if err := tx.Do(`UPDATE chains SET applied = ?2, lost = ?3, refused = refused + ?4, refusal = iif(?4 > 0, ?5, refusal),
			view = iif(?6, ?7, view) WHERE id = ?1`, x.chain.id, t.applied, x.chain.lost, t.refused, t.refusal, isSeen, encoded); err != nil {
			return err
		}
		next, err := numberAfter(tx, *x.chain)
		more = next > 0
		return err
	})
	return more, err
}
