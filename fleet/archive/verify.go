package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"stackpolicy/fleet"
	"stackpolicy/internal/sqlite"
)

// Verified is what a chain is, read again from its envelopes alone.
type Verified struct {
	fleet.Source
	Key       string        `json:"key"` // fingerprint
	Envelopes int           `json:"envelopes"`
	Newest    uint64        `json:"newest"`
	Missing   []fleet.Range `json:"missing"`
	Accepted  []fleet.Range `json:"accepted"` // missing, and an operator accepted that
	Forks     int           `json:"forks"`    // envelopes that contradict the chain
	Changed   []uint64      `json:"changed"`  // whose signature, place or digest is no longer right; at most 100
	Lost      int64         `json:"lost"`     // audits that the host forgot before it could send them
}

// IsGood reports whether nothing is missing, contradicts or was changed.
func (v Verified) IsGood() bool { return len(v.Missing)+v.Forks+len(v.Changed) == 0 && v.Lost == 0 }

const maxChanged = 100

// Verify reads all envelopes again, and calls each with what a chain is.
func (a *Archive) Verify(ctx context.Context, each func(Verified) error) error {
	err := a.eachShard(ctx, func(d *sqlite.DB) error {
		var chains []applied
		if err := d.View(ctx, func(tx sqlite.Tx) (err error) {
			chains, err = sqlite.List(tx, func(r sqlite.Row) (c applied, err error) {
				var key []byte
				err = r.Scan(&c.id, &c.subject, &key, &c.lost)
				c.key = key
				return c, err
			}, "SELECT id, subject, key, lost FROM chains ORDER BY subject, id")
			return err
		}); err != nil {
			return err
		}
		for _, c := range chains {
			v, err := verify(ctx, d, c)
			if err != nil {
				return err
			}
			if err := each(v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("verify the archive: %w", err)
	}
	return nil
}

func verify(ctx context.Context, d *sqlite.DB, c applied) (v Verified, err error) {
	v = Verified{Key: c.key.Fingerprint(), Missing: []fleet.Range{}, Accepted: []fleet.Range{}, Changed: []uint64{}, Lost: c.lost}
	if v.Source, err = fleet.ParseSubject(c.subject); err != nil {
		return v, err
	}
	var last fleet.Link
	for more := true; more; {
		var page []stored
		err := d.View(ctx, func(tx sqlite.Tx) (err error) {
			page, err = sqlite.List(tx, scanStored, "SELECT seq, sealed FROM envelopes WHERE chain = ? AND seq > ? ORDER BY seq LIMIT 100", c.id, int64(last.Seq))
			return err
		})
		if err != nil {
			return v, err
		}
		for _, e := range page {
			last = v.envelope(c, e, last)
		}
		more = len(page) == 100
	}
	v.Newest = last.Seq
	return v, d.View(ctx, func(tx sqlite.Tx) error {
		var newest int64
		err := tx.One("SELECT newest, (SELECT count(*) FROM forks WHERE chain = id) FROM chains WHERE id = ?", c.id).Scan(&newest, &v.Forks)
		if uint64(newest) > v.Newest { // the last ones were deleted
			v.Missing = append(v.Missing, fleet.Range{From: v.Newest + 1, To: uint64(newest)})
		}
		if err != nil {
			return err
		}
		accepted, err := sqlite.List(tx, scanRange, "SELECT first, last FROM gaps WHERE chain = ? AND accepted IS NOT NULL ORDER BY first", c.id)
		v.accept(accepted)
		return err
	})
}

// accept moves what an operator accepted out of what is missing. Only whole gaps are accepted.
func (v *Verified) accept(accepted []fleet.Range) {
	v.Missing = slices.DeleteFunc(v.Missing, func(r fleet.Range) bool {
		is := slices.Contains(accepted, r)
		if is {
			v.Accepted = append(v.Accepted, r)
		}
		return is
	})
}

// envelope checks one envelope against the one before it, and returns its place.
func (v *Verified) envelope(c applied, e stored, last fleet.Link) fleet.Link {
	v.Envelopes++
	letter, err := fleet.Open(c.subject, e.sealed, c.key)
	link := fleet.LinkOf(letter, e.sealed)
	if err == nil && int64(letter.Seq) != e.seq {
		err = errors.New("it is kept at another place")
	}
	if e.seq > int64(last.Seq)+1 {
		v.Missing = append(v.Missing, fleet.Range{From: last.Seq + 1, To: uint64(e.seq) - 1})
	} else if err == nil && link.Prev != last.Digest {
		err = errors.New("it follows another one")
	}
	if err != nil && len(v.Changed) < maxChanged {
		v.Changed = append(v.Changed, uint64(e.seq))
	}
	link.Seq = uint64(e.seq)
	return link
}

func compareSources(a, b fleet.Source) int {
	return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Host, b.Host), cmp.Compare(a.User, b.User))
}
