package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSetAsideKeepsThree(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "history.db")
	for i := range 6 {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.WriteFile(path+"-wal", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := SetAside(path, noon.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for i := range kept {
		kept[i] = filepath.Base(kept[i])
	}
	want := []string{}
	for _, hour := range []string{"15", "16", "17"} {
		name := "history.db.damaged-20260301T" + hour + "0000Z"
		want = append(want, name, name+"-wal")
	}
	if d := cmp.Diff(want, kept); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
