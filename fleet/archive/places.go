package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stackpolicy/history"
	"stackpolicy/internal/sqlite"
)

// placesOf returns where rows go. Those of a new memory of the host go behind all others, and
// what was open in the one before is ended. That is on the disk before a row is added: else, after
// a power failure, the same rows would go behind themselves.
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
	return p, d.UpdateNow(ctx, func(tx sqlite.Tx) error {
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
	var count int64
	if err := tx.One("SELECT count(*) FROM aliases WHERE chain = ?", chain).Scan(&count); err != nil {
		return err
	}
	if count > maxAliases {
		return fmt.Errorf("%w: it numbered %d things twice", history.ErrForeign, count)
	}
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
