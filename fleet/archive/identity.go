package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"stackpolicy/fleet"
	"stackpolicy/internal/sqlite"
)

// Enroll keeps the identity of a source, which the registry signed. An older one does not
// replace a newer one. A source that got another key begins another chain.
func (a *Archive) Enroll(ctx context.Context, source fleet.Source, statement []byte) error {
	var id fleet.Identity
	if err := fleet.OpenStatement(fleet.IdentityKind, source, statement, a.keys.Registry, &id); err != nil {
		return err
	}
	if id.Source != source {
		return fmt.Errorf("the identity of %v is about another source", source)
	}
	subject, err := source.Subject()
	if err != nil {
		return err
	}
	d, err := a.shard(ctx, shardOf(source))
	if err != nil {
		return err
	}
	isNewer := true
	err = d.UpdateNow(ctx, func(tx sqlite.Tx) error {
		if isNewer, err = replaces(tx, subject, id, a.keys.Registry); err != nil || !isNewer {
			return err
		}
		if err := tx.Do("INSERT OR REPLACE INTO identities (subject, statement) VALUES (?, ?)", subject, statement); err != nil {
			return err
		}
		return tx.Do("INSERT INTO chains (subject, key, enrolled) VALUES (?, ?, ?) ON CONFLICT (subject, key) DO UPDATE SET enrolled = excluded.enrolled",
			subject, []byte(id.Key), sqlite.Stamp(id.Enrolled))
	})
	if err != nil {
		return fmt.Errorf("keep the identity of %s: %w", subject, err)
	}
	if isNewer {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.identities[subject] = id
	}
	return nil
}

// replaces reports whether an identity is as new as the one that is kept. What is revoked stays so,
// unless it is enrolled again.
func replaces(tx sqlite.Tx, subject string, id fleet.Identity, registry fleet.PublicKey) (bool, error) {
	kept, err := keptIdentity(tx, subject)
	var was fleet.Identity
	if err != nil || kept == nil || fleet.OpenStatement(fleet.IdentityKind, id.Source, kept, registry, &was) != nil {
		return true, err
	}
	if id.Enrolled.Equal(was.Enrolled) {
		return was.Revoked == nil || id.Revoked != nil, nil
	}
	return id.Enrolled.After(was.Enrolled), nil
}

// keptIdentity returns the statement that is kept; nil for none.
func keptIdentity(tx sqlite.Tx, subject string) (statement []byte, err error) {
	err = tx.One("SELECT statement FROM identities WHERE subject = ?", subject).Scan(&statement)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return statement, err
}

// identity returns the identity of a source. It is nil if it was not enrolled.
func (a *Archive) identity(ctx context.Context, subject string, source fleet.Source) (*fleet.Identity, error) {
	a.mu.Lock()
	id, has := a.identities[subject]
	a.mu.Unlock()
	if has {
		return &id, nil
	}
	d, err := a.shard(ctx, shardOf(source))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var statement []byte
	if err := d.View(ctx, func(tx sqlite.Tx) (err error) {
		statement, err = keptIdentity(tx, subject)
		return err
	}); err != nil || statement == nil {
		return nil, err
	}
	if err := fleet.OpenStatement(fleet.IdentityKind, source, statement, a.keys.Registry, &id); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.identities[subject] = id
	return &id, nil
}

// Identities returns the signed identities that are kept, by the subject of their evidence.
func (a *Archive) Identities(ctx context.Context) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := a.eachShard(ctx, func(d *sqlite.DB) error {
		return d.View(ctx, func(tx sqlite.Tx) error {
			_, err := sqlite.List(tx, func(r sqlite.Row) (subject string, err error) {
				var statement []byte
				err = r.Scan(&subject, &statement)
				all[subject] = statement
				return subject, err
			}, "SELECT subject, statement FROM identities")
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the identities of the archive: %w", err)
	}
	return all, nil
}
