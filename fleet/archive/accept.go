package archive

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/internal/sqlite"
)

// Accept notes that an operator accepts that what is missing of a source is lost: it is still
// known as missing, but no longer reported. What goes missing later is. It returns how many
// envelopes that are, 0 if nothing is missing or the source is not enrolled. It may be called
// beside the process that writes the archive.
func Accept(ctx context.Context, data string, registry fleet.PublicKey, source fleet.Source, now time.Time) (envelopes int64, err error) {
	a := &Archive{dir: Path(data), keys: Keys{Registry: registry}, release: func() {}, identities: map[string]fleet.Identity{}}
	defer func() {
		if closing := a.Close(); err == nil {
			err = closing
		}
	}()
	subject, err := source.Subject()
	if err != nil {
		return 0, err
	}
	if err := sqlite.OwnFolder(filepath.Dir(a.dir)); err != nil {
		return 0, err
	}
	id, err := a.identity(ctx, subject, source)
	if err != nil || id == nil {
		return 0, err
	}
	d, err := a.shard(ctx, shardOf(source))
	if err != nil {
		return 0, err
	}
	err = d.UpdateNow(ctx, func(tx sqlite.Tx) error {
		c, err := chainOf(tx, subject, id.Key)
		if err == nil {
			err = tx.One("SELECT coalesce(sum(last - first + 1), 0) FROM gaps WHERE chain = ? AND accepted IS NULL", c.id).Scan(&envelopes)
		}
		if err != nil {
			return err
		}
		return tx.Do("UPDATE gaps SET accepted = ? WHERE chain = ? AND accepted IS NULL", sqlite.Stamp(now), c.id)
	})
	if err != nil {
		return 0, fmt.Errorf("accept what is missing of %s: %w", subject, err)
	}
	return envelopes, nil
}
