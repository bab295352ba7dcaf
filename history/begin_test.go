package history

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A kill during the first write to the file leaves a journal that a reader cannot undo: for
// a reader there is no history yet.
func TestKilledInTheFirstWrite(t *testing.T) {
	path, home := filepath.Join(t.TempDir(), "history.db"), t.TempDir()
	db := must(sql.Open("sqlite", "file:"+path+"?_pragma=cache_size(1)"))(t)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"BEGIN", "CREATE TABLE t (x)", "COMMIT", "BEGIN",
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) INSERT INTO t SELECT randomblob(2000) FROM n",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(Path(home)), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, ending := range []string{"", "-journal"} {
		if err := os.WriteFile(Path(home)+ending, must(os.ReadFile(path+ending))(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenReadOnly(t.Context(), home); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read: %v, want that there is none", err)
	}
	reopened(t, home)
}
