package archive

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"stackpolicy/fleet"
	"stackpolicy/internal/sqlite"
	"stackpolicy/internal/text"
	"stackpolicy/internal/times"
)

// Received is a message that a source published.
type Received struct {
	Subject string // by which the broker knows who published it
	Data    []byte
	At      time.Time // when the broker took it
}

const (
	maxForks   = 20  // envelopes that are kept beside those of a chain
	maxRefusal = 300 // runes that are kept of why one was refused
	maxVersion = 100 // runes of a version, or of the id of a boot
	atOnce     = 16  // shards that are written at the same time: a disk syncs several files as fast as one
)

// Take puts envelopes on the disk. When it returns without an error, each is there, or was
// refused, which is counted at its source. It returns the sources of which something came.
func (a *Archive) Take(ctx context.Context, messages []Received) ([]fleet.Source, error) {
	byShard := map[int][]opened{}
	var from []fleet.Source
	seen, asked := map[fleet.Source]bool{}, map[fleet.Source]bool{}
	for _, m := range messages {
		source, err := fleet.ParseSubject(m.Subject)
		if err != nil {
			continue // the broker lets nobody publish by such a subject
		}
		o, err := a.open(ctx, source, m)
		if err == nil && o.isForeign && a.Learn != nil && !asked[source] {
			asked[source] = true
			if err = a.Learn(ctx, source); err == nil {
				o, err = a.open(ctx, source, m)
			}
		}
		if err != nil {
			return nil, err
		}
		if o.id != nil {
			byShard[shardOf(source)] = append(byShard[shardOf(source)], o)
			if !seen[source] {
				seen[source] = true
				from = append(from, source)
			}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, list := range byShard {
		group.Go(func() error { return a.keep(ctx, i, list) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("keep envelopes: %w", err)
	}
	return from, nil
}

// opened is a message with what follows from its signature.
type opened struct {
	Received
	id        *fleet.Identity // nil: it is of nobody who was enrolled
	isForeign bool            // it is not by the key that is known
	letter    fleet.Envelope
	resets    bool
	refused   string // why; "" is taken
}

func (a *Archive) open(ctx context.Context, source fleet.Source, m Received) (o opened, err error) {
	o.Received = m
	if o.id, err = a.identity(ctx, m.Subject, source); err != nil || o.id == nil {
		o.isForeign = true
		return o, err
	}
	if r := o.id.Revoked; r != nil && m.At.After(*r) {
		o.refused = "it is revoked"
		return o, nil
	}
	if a.budgets.isSpent(m) {
		o.refused = fmt.Sprintf("it sent more than %d MB within a day", a.budgets.daily>>20)
		return o, nil
	}
	if o.letter, err = fleet.Open(m.Subject, m.Data, o.id.Key); err != nil {
		o.refused, o.isForeign = err.Error(), true
	}
	a.budgets.spend(m, len(o.letter.Evidence))
	if err != nil {
		return o, nil
	}
	var rows struct {
		Reset bool `json:"reset"`
	}
	_ = json.Unmarshal(o.letter.Evidence, &rows)  // what is no evidence is counted when it is to be added
	o.resets, o.letter.Evidence = rows.Reset, nil // a batch of these would use up all memory
	return o, nil
}

func (a *Archive) keep(ctx context.Context, i int, list []opened) error {
	d, err := a.shard(ctx, i)
	if err != nil {
		return err
	}
	return d.UpdateNow(ctx, func(tx sqlite.Tx) error {
		type place struct{ subject, key string }
		chains := map[place]*chain{}
		for _, o := range list {
			of := place{o.Subject, string(o.id.Key)}
			c, has := chains[of]
			if !has {
				if c, err = chainOf(tx, o.Subject, o.id.Key); err != nil {
					return err
				}
				chains[of] = c
			}
			if err := c.take(tx, o); err != nil {
				return err
			}
		}
		for _, c := range chains {
			if err := c.save(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// chain is a row of chains, as far as it is needed to add to it, and changes with each envelope.
type chain struct {
	id, newest, at, received int64
	fork, clock, refusal     string
	refused                  int64
	head                     *head // nil: as it was

	links map[uint64]fleet.Link // those that were read or added
}

func chainOf(tx sqlite.Tx, subject string, key fleet.PublicKey) (*chain, error) {
	c := chain{links: map[uint64]fleet.Link{}}
	err := tx.One("SELECT id, newest, at, received, fork, clock, refused, refusal FROM chains WHERE subject = ? AND key = ?", subject, []byte(key)).
		Scan(&c.id, &c.newest, &c.at, &c.received, &c.fork, &c.clock, &c.refused, &c.refusal)
	return &c, err
}

func (c *chain) save(tx sqlite.Tx) error {
	const set = "UPDATE chains SET newest = ?, at = ?, received = ?, fork = ?, clock = ?, refused = ?, refusal = ?"
	args := []any{c.newest, c.at, c.received, c.fork, c.clock, c.refused, c.refusal}
	if c.head == nil {
		return tx.Do(set+" WHERE id = ?", append(args, c.id)...)
	}
	encoded, err := sqlite.Encode(c.head)
	if err != nil {
		return err
	}
	return tx.Do(set+", head = ? WHERE id = ?", append(args, encoded, c.id)...)
}

func (c *chain) refuse(why string) {
	c.refused++
	c.refusal = text.Clip(why, maxRefusal)
}

func (c *chain) take(tx sqlite.Tx, o opened) error {
	if o.refused != "" {
		c.refuse(o.refused)
		return nil
	}
	link := fleet.LinkOf(o.letter, o.Data)
	judgement, why, err := fleet.Judge(links{tx, c}, link)
	if err != nil {
		return err
	}
	switch judgement {
	case fleet.Fork:
		return c.forked(tx, o, link, why)
	case fleet.New:
		return c.add(tx, o, link)
	}
	return nil
}

// links reads the chain.
type links struct {
	tx sqlite.Tx
	of *chain
}

// At implements [fleet.Links].
func (l links) At(seq uint64) (link fleet.Link, absent bool, err error) {
	if link, has := l.of.links[seq]; has {
		return link, false, nil
	}
	if seq > uint64(l.of.newest) {
		return link, true, nil
	}
	var digest, prev []byte
	err = l.tx.One("SELECT digest, prev FROM envelopes WHERE chain = ? AND seq = ?", l.of.id, int64(seq)).Scan(&digest, &prev)
	if errors.Is(err, sql.ErrNoRows) {
		return link, true, nil
	}
	link.Seq = seq
	copy(link.Digest[:], digest)
	copy(link.Prev[:], prev)
	if err == nil {
		l.of.links[seq] = link
	}
	return link, false, err
}

// forked keeps what contradicts the chain. From then on the source is not trusted.
func (c *chain) forked(tx sqlite.Tx, o opened, link fleet.Link, why string) error {
	c.fork = cmp.Or(c.fork, why)
	return tx.Do(`INSERT OR IGNORE INTO forks (chain, seq, digest, received, sealed)
		SELECT ?1, ?2, ?3, ?4, ?5 WHERE (SELECT count(*) FROM forks WHERE chain = ?1) < ?6`,
		c.id, int64(link.Seq), link.Digest[:], sqlite.Stamp(o.At), o.Data, maxForks)
}

// head is what an envelope says without its rows.
type head struct {
	Beat    fleet.Beat `json:"beat"`
	Boot    string     `json:"boot"`
	Program string     `json:"program"`
}

func (c *chain) add(tx sqlite.Tx, o opened, link fleet.Link) error {
	seq, at, received := int64(link.Seq), sqlite.Stamp(link.At), sqlite.Stamp(o.At)
	if seq < 0 {
		c.refuse("its number is too high")
		return nil
	}
	err := tx.Do("INSERT INTO envelopes (chain, seq, digest, prev, at, received, resets, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		c.id, seq, link.Digest[:], link.Prev[:], at, received, o.resets, o.Data)
	if err != nil {
		return err
	}
	c.links[link.Seq] = link
	if seq < c.newest {
		return closeGap(tx, c.id, seq)
	}
	if seq > c.newest+1 {
		if err := tx.Do("INSERT INTO gaps (chain, first, last) VALUES (?, ?, ?)", c.id, c.newest+1, seq-1); err != nil {
			return err
		}
	}
	c.head = &head{o.letter.Beat.Clipped(), text.Clip(o.letter.Boot, maxVersion), text.Clip(o.letter.Program, maxVersion)}
	c.clock = fleet.ClockFault(sqlite.Moment(c.at), link.At, o.At)
	c.newest, c.at, c.received = seq, sqlite.Stamp(times.Earlier(link.At, o.At)), max(c.received, received)
	return nil
}

// closeGap takes a number out of the gap in which it is.
func closeGap(tx sqlite.Tx, chain, seq int64) error {
	var first, last int64
	var accepted sql.NullInt64
	err := tx.One("SELECT first, last, accepted FROM gaps WHERE chain = ? AND first <= ? ORDER BY first DESC LIMIT 1", chain, seq).Scan(&first, &last, &accepted)
	if err != nil {
		return err
	}
	if err := tx.Do("DELETE FROM gaps WHERE chain = ? AND first = ?", chain, first); err != nil {
		return err
	}
	for _, rest := range [][2]int64{{first, seq - 1}, {seq + 1, last}} {
		if rest[0] <= rest[1] {
			if err := tx.Do("INSERT INTO gaps (chain, first, last, accepted) VALUES (?, ?, ?, ?)", chain, rest[0], rest[1], accepted); err != nil {
				return err
			}
		}
	}
	return nil
}
