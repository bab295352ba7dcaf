package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// Tx is one transaction, bounded by the context of its call.
type Tx struct {
	ctx context.Context
	tx  *sql.Tx
}

// Do runs a statement that returns nothing.
func (t Tx) Do(query string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, query, args...)
	return err
}

// Insert runs an INSERT, and returns the new row's id.
func (t Tx) Insert(query string, args ...any) (int64, error) {
	result, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// Change runs an UPDATE or DELETE, and returns how many rows it changed.
func (t Tx) Change(query string, args ...any) (int64, error) {
	result, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// One returns the only row of the query.
func (t Tx) One(query string, args ...any) Row { return t.tx.QueryRowContext(t.ctx, query, args...) }

// Prepare returns a query that is run many times. The caller closes it.
func (t Tx) Prepare(query string) (Prepared, error) {
	stmt, err := t.tx.PrepareContext(t.ctx, query)
	return Prepared{t.ctx, stmt}, err
}

// Prepared is a query that is run many times.
type Prepared struct {
	ctx  context.Context
	stmt *sql.Stmt
}

// One returns the only row of the query.
func (p Prepared) One(args ...any) Row { return p.stmt.QueryRowContext(p.ctx, args...) }

// Close releases the query.
func (p Prepared) Close() { _ = p.stmt.Close() }

// Row is one row of a result.
type Row interface{ Scan(...any) error }

// List reads every row of the query. Without rows it returns an empty slice, not nil.
func List[T any](t Tx, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.tx.QueryContext(t.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Statement is SQL with its arguments.
type Statement struct {
	Query string
	Args  []any
}

// ChangeOne runs an UPDATE of one row. It is an error if there is no such row.
func (t Tx) ChangeOne(query string, args ...any) error {
	n, err := t.Change(query, args...)
	if err == nil && n != 1 {
		err = errors.New("there is no such entry")
	}
	return err
}

// ChangeAll runs each statement as Change does, and returns how many rows they changed
// together.
func (t Tx) ChangeAll(statements ...Statement) (sum int64, err error) {
	for _, s := range statements {
		n, err := t.Change(s.Query, s.Args...)
		if err != nil {
			return sum, err
		}
		sum += n
	}
	return sum, nil
}

// DoAll runs statements without arguments.
func (t Tx) DoAll(queries ...string) error {
	for _, q := range queries {
		if err := t.Do(q); err != nil {
			return err
		}
	}
	return nil
}
