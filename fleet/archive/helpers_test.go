package archive

import (
	"testing"

	"stackpolicy/internal/sqlite"
)

// execute changes a shard as somebody with an editor would.
func execute(t testing.TB, d *sqlite.DB, statement string) error {
	t.Helper()
	return d.Update(t.Context(), func(tx sqlite.Tx) error { return tx.Do(statement) })
}
