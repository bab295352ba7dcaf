package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A transaction is complete or absent.
func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	err := Create(t.Context(), path, 0, func(tx Tx) error { return tx.Do("CREATE TABLE notes (text TEXT NOT NULL) STRICT") })
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), path, false, func(context.Context, *DB) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	insert := func(text string, result error) error {
		return db.Update(t.Context(), func(tx Tx) error {
			_, err := tx.Insert("INSERT INTO notes VALUES (?)", text)
			return errors.Join(err, result)
		})
	}
	given := errors.New("changed its mind")
	if err := errors.Join(insert("kept", nil), db.UpdateNow(t.Context(), func(Tx) error { return nil })); err != nil {
		t.Error(err)
	}
	if err := insert("undone", given); !errors.Is(err, given) {
		t.Errorf("got error %v, want the caller's", err)
	}
	var texts []string
	err = db.View(t.Context(), func(tx Tx) (err error) {
		texts, err = List(tx, func(r Row) (text string, err error) { return text, r.Scan(&text) }, "SELECT text FROM notes")
		return err
	})
	if err != nil || len(texts) != 1 {
		t.Errorf("got %q, error %v; want the one that was kept", texts, err)
	}
	err = db.Update(t.Context(), func(tx Tx) error { return tx.ChangeOne("DELETE FROM notes WHERE text = ?", "undone") })
	if err == nil {
		t.Error("no error although no row was changed")
	}
}

// Pages have the size that they were created with, and else SQLite's.
func TestPageSize(t *testing.T) {
	for size, want := range map[int]int{0: 4096, 16 << 10: 16 << 10} {
		path := filepath.Join(t.TempDir(), "notes.db")
		if err := Create(t.Context(), path, size, func(tx Tx) error { return tx.Do("CREATE TABLE notes (text TEXT) STRICT") }); err != nil {
			t.Fatal(err)
		}
		var got, vacuum int
		var journal string
		db, err := Open(t.Context(), path, false, func(ctx context.Context, d *DB) error {
			return d.View(ctx, func(tx Tx) error {
				return tx.One("SELECT page_size, auto_vacuum, journal_mode FROM pragma_page_size, pragma_auto_vacuum, pragma_journal_mode").Scan(&got, &vacuum, &journal)
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil || got != want || vacuum != 2 || journal != "wal" {
			t.Errorf("%d bytes, want %d; vacuum %d, journal %s; %v", got, want, vacuum, journal, err)
		}
	}
}

// A database that was found damaged in use, or that its check refuses, is not opened.
func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	if err := Create(t.Context(), path, 0, func(tx Tx) error { return tx.Do("CREATE TABLE notes (text TEXT) STRICT") }); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("of another program")
	if _, err := Open(t.Context(), path, false, func(context.Context, *DB) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got error %v, want the check's", err)
	}
	if err := mark(path, "page 7 is torn"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path, false, func(context.Context, *DB) error { return nil })
	if unusable := (*UnusableError)(nil); !errors.As(err, &unusable) || unusable.Why != "page 7 is torn" {
		t.Errorf("got error %v, want why it was marked", err)
	}
}

// A query may be run again while its rows are read, and its statement is used again afterwards.
func TestQueryWithinItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	if err := Create(t.Context(), path, 0, func(tx Tx) error { return tx.Do("CREATE TABLE notes (id INTEGER PRIMARY KEY) STRICT") }); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), path, false, func(context.Context, *DB) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const query = "SELECT id FROM notes WHERE id >= ? ORDER BY id"
	var all [][]int
	err = db.Update(t.Context(), func(tx Tx) error {
		for id := range 3 {
			if err := tx.Do("INSERT INTO notes VALUES (?)", id); err != nil {
				return err
			}
		}
		all, err = List(tx, func(r Row) ([]int, error) {
			var id int
			if err := r.Scan(&id); err != nil {
				return nil, err
			}
			return List(tx, func(r Row) (n int, err error) { return n, r.Scan(&n) }, query, id)
		}, query, 0)
		if len(tx.idle) != 2 {
			t.Errorf("%d statements are kept, want the INSERT and the query", len(tx.idle))
		}
		return err
	})
	if d := cmp.Diff([][]int{{0, 1, 2}, {1, 2}, {2}}, all); d != "" || err != nil {
		t.Errorf("-want +got\n%s, error %v", d, err)
	}
}
