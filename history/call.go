package history

import (
	"context"
	"database/sql"
)

// call is one transaction, bounded by its context.
type call struct {
	ctx context.Context
	tx  *sql.Tx
}

// do runs a statement that returns nothing.
func (c call) do(query string, args ...any) error {
	_, err := c.tx.ExecContext(c.ctx, query, args...)
	return err
}

// insert runs an INSERT, and returns the new row's id.
func (c call) insert(query string, args ...any) (int64, error) {
	result, err := c.tx.ExecContext(c.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// change runs an UPDATE or DELETE, and returns how many rows it changed.
func (c call) change(query string, args ...any) (int64, error) {
	result, err := c.tx.ExecContext(c.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// one returns the only row of the query.
func (c call) one(query string, args ...any) row { return c.tx.QueryRowContext(c.ctx, query, args...) }

// row is one row of a result.
type row interface{ Scan(...any) error }

// list reads every row of the query. Without rows it returns an empty slice, not nil.
func list[T any](c call, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := c.tx.QueryContext(c.ctx, query, args...)
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

// statement is SQL with its arguments.
type statement struct {
	query string
	args  []any
}

// changeAll runs each statement as change does, and returns how many rows they changed
// together.
func (c call) changeAll(statements ...statement) (sum int64, err error) {
	for _, s := range statements {
		n, err := c.change(s.query, s.args...)
		if err != nil {
			return sum, err
		}
		sum += n
	}
	return sum, nil
}

// doAll runs statements without arguments.
func (c call) doAll(queries ...string) error {
	for _, q := range queries {
		if err := c.do(q); err != nil {
			return err
		}
	}
	return nil
}
