package history

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOpenMakesItPrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	home := filepath.Join(t.TempDir(), "state with ?odd#%41 name;", "below")
	s := reopened(t, home)
	recorded(t, s, audited(document(t, 1), noon))
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(Path(home)): 0o700, Path(home): 0o600, Path(home) + "-wal": 0o600, Path(home) + "-shm": 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %04o", path, info, err, want)
		}
	}
	if s.Notice() != "" {
		t.Errorf("notice %q", s.Notice())
	}
}

// A history that is gone is no empty one.
func TestAHistoryThatIsGone(t *testing.T) {
	home := t.TempDir()
	s := reopened(t, home)
	if !s.IsNew() || s.Notice() != "" {
		t.Errorf("the first: new %v, notice %q", s.IsNew(), s.Notice())
	}
	s.Close()
	s = reopened(t, home)
	if s.IsNew() || s.Notice() != "" {
		t.Errorf("the same again: new %v, notice %q", s.IsNew(), s.Notice())
	}
	s.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(Path(home) + suffix); err != nil {
			t.Fatal(err)
		}
	}
	s = reopened(t, home)
	if !s.IsNew() || !strings.Contains(s.Notice(), "the history is gone") || !strings.Contains(s.Notice(), "history.lock") {
		t.Errorf("deleted: new %v, notice %q", s.IsNew(), s.Notice())
	}
	s.Close()
	if s = reopened(t, home); s.IsNew() || s.Notice() != "" {
		t.Errorf("once more: new %v, notice %q", s.IsNew(), s.Notice())
	}
}

// A process that waited while another one created the history leaves the mark.
func TestTheSecondToBeginLeavesTheMark(t *testing.T) {
	home := t.TempDir()
	reopened(t, home).Close()
	second, err := begin(t.Context(), Path(home), noon)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(Path(home) + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if s := reopened(t, home); !strings.Contains(s.Notice(), "the history is gone") {
		t.Errorf("notice %q", s.Notice())
	}
}

func TestOpenReadOnly(t *testing.T) {
	home := t.TempDir()
	if _, err := OpenReadOnly(t.Context(), home); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a memory: %v", err)
	}
	if entries := must(os.ReadDir(home))(t); len(entries) != 0 {
		t.Errorf("it made %v", entries)
	}
	s := reopened(t, home)
	recorded(t, s, audited(document(t, 1), noon))
	s.Close()
	r := must(OpenReadOnly(t.Context(), home))(t)
	defer r.Close()
	if last := must(r.LastAudit(t.Context()))(t); last == nil || last.Count != 1 {
		t.Errorf("read %+v", last)
	}
	if _, err := r.Record(t.Context(), audited(document(t, 1), noon)); err == nil {
		t.Error("it was written to")
	}
}

// Without a history OpenExisting makes none, so that the next audit says that it is gone.
func TestOpenExisting(t *testing.T) {
	home := t.TempDir()
	if _, err := OpenExisting(t.Context(), home); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a history: %v", err)
	}
	if entries := must(os.ReadDir(home))(t); len(entries) != 0 {
		t.Errorf("it made %v", entries)
	}
	reopened(t, home).Close()
	s := must(OpenExisting(t.Context(), home))(t)
	recorded(t, s, audited(document(t, 1), noon))
	s.Close()
	if err := os.WriteFile(Path(home), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenExisting(t.Context(), home); err == nil {
		t.Error("it opened a damaged history")
	}
	if s := reopened(t, home); s.Notice() == "" {
		t.Error("the next audit does not see that it was damaged")
	}
}

// A path that is not a regular file of the user is refused and not changed.
func TestOpenRefuses(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"a link":           func(p string) error { return os.Symlink("/dev/null", p) },
		"a link to a file": func(p string) error { return errors.Join(os.WriteFile(p+".x", nil, 0o600), os.Symlink(p+".x", p)) },
		"a link for the log": func(p string) error {
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Symlink("/etc/passwd", p+"-wal"))
		},
		"a folder":                  func(p string) error { return os.Mkdir(p, 0o700) },
		"a FIFO":                    func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"writable by the group":     func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o620)) },
		"in a folder of everyone's": func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) },
		"a file for a folder": func(p string) error {
			return errors.Join(os.Remove(filepath.Dir(p)), os.WriteFile(filepath.Dir(p), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			path := Path(home)
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), plant(path)); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			if s, err := Open(t.Context(), home, noon); err == nil {
				s.Close()
				t.Error("it was opened")
			}
			after, _ := os.Lstat(path)
			if (before == nil) != (after == nil) || before != nil && (before.Mode() != after.Mode() || before.Size() != after.Size()) {
				t.Errorf("was %v, is %v", before, after)
			}
		})
	}
}

func TestOpenRefusesWhatIsAnothers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	for _, name := range []string{"", "history.db"} {
		s, home := opened(t)
		s.Close()
		if err := os.Chown(filepath.Join(filepath.Dir(Path(home)), name), 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), home, noon); err == nil || !strings.Contains(err.Error(), "12345") {
			t.Errorf("%q of another's: %v", name, err)
		}
	}
}

// rewrite changes the closed history below home with SQL.
func rewrite(t *testing.T, home, query string) {
	t.Helper()
	db := must(sql.Open("sqlite", Path(home)))(t)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSetsAside(t *testing.T) {
	overwrite := func(content string) func(*testing.T, string) {
		return func(t *testing.T, home string) {
			if err := os.WriteFile(Path(home), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	query := func(query string) func(*testing.T, string) {
		return func(t *testing.T, home string) { rewrite(t, home, query) }
	}
	for name, tc := range map[string]struct {
		spoil func(*testing.T, string)
		why   string
	}{
		"a text":             {overwrite(strings.Repeat("not a database\n", 500)), "not a database"},
		"zeros":              {overwrite(strings.Repeat("\x00", 8192)), "not a database"},
		"a future version":   {query("PRAGMA user_version = 4"), "its version is 4"},
		"another program's":  {query("PRAGMA application_id = 5"), "another program's"},
		"a table is missing": {query("DROP TABLE parts"), "tables are missing"},
		"found damaged while used": {func(t *testing.T, home string) {
			if err := os.WriteFile(Path(home)+".broken", []byte("page 7 is torn"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "page 7 is torn"},
	} {
		t.Run(name, func(t *testing.T) {
			s, home := opened(t)
			recorded(t, s, audited(document(t, 1), noon))
			s.Close()
			tc.spoil(t, home)
			spoilt := must(os.ReadFile(Path(home)))(t)
			if _, err := OpenReadOnly(t.Context(), home); err == nil {
				t.Error("it was read")
			}
			s = reopened(t, home)
			if !strings.Contains(s.Notice(), tc.why) || !strings.Contains(s.Notice(), "20260301T120000Z") {
				t.Errorf("notice %q, want %q and the time", s.Notice(), tc.why)
			}
			kept := must(os.ReadFile(Path(home) + ".damaged-20260301T120000Z"))(t)
			if d := cmp.Diff(string(spoilt), string(kept)); d != "" {
				t.Error("what is kept is not what was there")
			}
			if m := must(s.Recall(t.Context(), noon))(t); m.Audits != 0 {
				t.Errorf("a new one remembers %d audits", m.Audits)
			}
			s.Close()
			if s = reopened(t, home); s.Notice() != "" {
				t.Errorf("set aside again: %s", s.Notice())
			}
		})
	}
}

// Damaged bytes anywhere in the file are found when it is opened or when they are read. Then
// the next Open creates a new history. Nothing panics or hangs.
func TestDamage(t *testing.T) {
	s, home := opened(t)
	doc := document(t, 10)
	for i := range 30 {
		doc.Units[i%10].Loaded.Restarts = i
		recorded(t, s, audited(doc, noon.Add(time.Duration(i)*time.Minute), broken("x", doc.Units[i%10].Name, "y")))
	}
	s.Close()
	sound := must(os.ReadFile(Path(home)))(t)
	found := map[string]int{}
	for seed := range uint64(100) {
		found[damaged(t, sound, rand.New(rand.NewPCG(seed, seed)), doc.Units[0].Name)]++
	}
	t.Logf("damage was found: %v", found)
	if found[whenOpened] == 0 || found[whenUsed] == 0 {
		t.Error("damage of one kind was never found")
	}
}

// When damage was found and the history was renamed.
const (
	whenOpened = "when opened"
	whenUsed   = "when used"
	never      = "never, as nothing read it"
)

// damaged damages a history, uses it, and returns when the damage was found.
func damaged(t *testing.T, sound []byte, random *rand.Rand, unit string) string {
	t.Helper()
	home := t.TempDir()
	spoilt := append([]byte{}, sound...)
	at := random.IntN(len(spoilt))
	for i := range min(1+random.IntN(2000), len(spoilt)-at) {
		spoilt[at+i] = byte(random.Uint32())
	}
	if err := errors.Join(os.Mkdir(filepath.Dir(Path(home)), 0o700), os.WriteFile(Path(home), spoilt, 0o600)); err != nil {
		t.Fatal(err)
	}
	doc := document(t, 1)
	for _, when := range []string{whenOpened, whenUsed} {
		s, err := Open(t.Context(), home, noon)
		if err != nil {
			t.Fatalf("neither opened nor set aside: %v", err)
		}
		notice, failed := s.Notice(), use(t.Context(), s, audited(doc, noon.Add(day), broken("x", unit, "z")))
		s.Close()
		switch {
		case notice != "" && failed == nil:
			return when
		case failed == nil:
			return never
		}
	}
	t.Errorf("damage that began at byte %d is found again and again", at)
	return never
}

// use uses a history as an audit does.
func use(ctx context.Context, s *Store, a Audit) error {
	_, recalling := s.Recall(ctx, a.At)
	_, intending := s.Intend(ctx, restart(a.At, ""), a.Document)
	_, recording := s.Record(ctx, a)
	return errors.Join(recalling, intending, recording, s.Prune(ctx, a.At, 90*day, 1<<30))
}
