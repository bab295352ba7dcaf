package applied

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample() Record {
	return Record{
		Schema: Schema, Stack: "web", Unit: "web.service", Project: "web",
		AppliedAt: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Invocation: "8f2c",
		Files:    []File{{"/srv/compose.yaml", RoleCompose, "sha256:00"}},
		Services: []Service{{Name: "app", Containers: 1, HealthCheck: true}},
		Last:     Outcome{Step: "verify", Message: "all up"},
	}
}

// A stack whose first apply failed has no time of an apply.
func TestReadOfAFailureAlone(t *testing.T) {
	home := t.TempDir()
	r := sample()
	r.AppliedAt, r.Last.At = time.Time{}, r.AppliedAt
	if err := Write(home, r); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(home, "web"); err != nil || !got.AppliedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWriteThenRead(t *testing.T) {
	home := t.TempDir()
	if _, err := Read(home, "web"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without a record: %v", err)
	}
	want := sample()
	for _, invocation := range []string{"8f2c", "77aa"} {
		want.Invocation = invocation
		if err := Write(home, want); err != nil {
			t.Fatal(err)
		}
		got, err := Read(home, "web")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	}
	entries, err := os.ReadDir(Folder(home))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
	info, err := os.Stat(Path(home, "web"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record's mode: %v, %v", info, err)
	}
}

func TestReadRefuses(t *testing.T) {
	cases := []struct{ name, content, want string }{
		{"cut off", `{"schema":"stackpolicy.applied/v1","stack":"web"`, "unexpected EOF"},
		{"empty", "", "EOF"},
		{"another version", `{"schema":"stackpolicy.applied/v9","new":1}`, `schema is "stackpolicy.applied/v9"`},
		{"another stack's", `{"schema":"stackpolicy.applied/v1","stack":"db","applied_at":"2026-05-04T03:02:01Z"}`, "not this stack's"},
		{"unknown key", `{"schema":"stackpolicy.applied/v1","evil":1}`, `unknown field "evil"`},
		{"too large", `{"x":"` + strings.Repeat("x", maxRecord) + `"}`, "larger than 4 MiB"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.MkdirAll(Folder(home), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(Path(home, "web"), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(home, "web")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), Path(home, "web")) {
				t.Errorf("got %v, want one that names the file and says %q", err, c.want)
			}
		})
	}
}

// TestReadDoesNotWait: a FIFO in the place of a record has no other end.
func TestReadDoesNotWait(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(Folder(home), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(Path(home, "web"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := Read(home, "web"); done <- err }()
	select {
	case err := <-done:
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want that it is not a regular file", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits")
	}
}

func TestWriteKeepsTheOldOneWhenItCannot(t *testing.T) {
	home := t.TempDir()
	if err := Write(home, sample()); err != nil {
		t.Fatal(err)
	}
	// A folder in the way of the new record.
	other := sample()
	other.Stack = "db"
	if err := os.MkdirAll(filepath.Join(Path(home, "db"), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(home, other); err == nil {
		t.Error("written over a folder")
	}
	entries, _ := os.ReadDir(Folder(home))
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
	if _, err := Read(home, "web"); err != nil {
		t.Error(err)
	}
}
