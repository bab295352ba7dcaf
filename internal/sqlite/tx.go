package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// Tx is one transaction, bounded by the context of its call. A query that it runs again is not
// parsed again, so give values as arguments. Use it from one goroutine.
type Tx struct {
	ctx  context.Context
	tx   *sql.Tx
	idle map[string]*sql.Stmt // by query, those of which no rows are being read
}

func newTx(ctx context.Context, tx *sql.Tx) Tx { return Tx{ctx, tx, map[string]*sql.Stmt{}} }

// borrow returns a prepared query, which nothing else uses until it is given back. What is never
// given back is closed at the end of the transaction.
func (t Tx) borrow(query string) (*sql.Stmt, error) {
	if s, has := t.idle[query]; has {
		delete(t.idle, query)
		return s, nil
	}
	return t.tx.PrepareContext(t.ctx, query)
}

func (t Tx) giveBack(query string, s *sql.Stmt) { t.idle[query] = s }

func (t Tx) exec(query string, args []any) (sql.Result, error) {
	s, err := t.borrow(query)
	if err != nil {
		return nil, err
	}
	defer t.giveBack(query, s)
	return s.ExecContext(t.ctx, args...)
}

// Do runs a statement that returns nothing.
func (t Tx) Do(query string, args ...any) error {
	_, err := t.exec(query, args)
	return err
}

// Insert runs an INSERT, and returns the new row's id.
func (t Tx) Insert(query string, args ...any) (int64, error) {
	result, err := t.exec(query, args)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// Change runs an UPDATE or DELETE, and returns how many rows it changed.
func (t Tx) Change(query string, args ...any) (int64, error) {
	result, err := t.exec(query, args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// One returns the only row of the query.
func (t Tx) One(query string, args ...any) Row {
	s, err := t.borrow(query)
	if err != nil {
		return failed{err}
	}
	return only{s.QueryRowContext(t.ctx, args...), func() { t.giveBack(query, s) }}
}

// Row is one row of a result.
type Row interface{ Scan(...any) error }

// only is the only row of a query, which ends when it was scanned.
type only struct {
	row  *sql.Row
	done func()
}

// Scan implements [Row].
func (o only) Scan(to ...any) error {
	defer o.done()
	return o.row.Scan(to...)
}

// failed is the row of a query that cannot be run.
type failed struct{ err error }

// Scan implements [Row].
func (f failed) Scan(...any) error { return f.err }

// List reads every row of the query. Without rows it returns an empty slice, not nil.
func List[T any](t Tx, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	s, err := t.borrow(query)
	if err != nil {
		return nil, err
	}
	defer t.giveBack(query, s)
	rows, err := s.QueryContext(t.ctx, args...)
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
