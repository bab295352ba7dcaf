package history

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mounted returns a small disk for the test.
func mounted(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Skipf("only who may mount can test this: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill fills a disk completely; the returned function frees the space again.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	f := must(os.Create(filepath.Join(dir, "filler")))(t)
	block := make([]byte, 4096)
	for {
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

// On a full disk writing fails, and earlier content stays intact.
func TestDiskFull(t *testing.T) {
	home := mounted(t, "1m")
	s := reopened(t, home)
	doc := document(t, 20)
	recorded(t, s, audited(doc, noon))
	free := fill(t, home)
	var failed error
	for i := 0; failed == nil && i < 1000; i++ {
		doc.Units[0].Loaded.Restarts++
		_, failed = s.Record(t.Context(), audited(doc, noon.Add(time.Duration(i)*time.Minute)))
	}
	if failed == nil || !strings.Contains(failed.Error(), "no space") {
		t.Errorf("on a full disk: %v", failed)
	}
	before := must(s.Recall(t.Context(), noon.Add(day)))(t).Audits
	s.Close()
	if s, err := Open(t.Context(), home, noon); err == nil {
		if _, err := s.Record(t.Context(), audited(document(t, 30), noon)); err == nil {
			t.Error("an audit is recorded on a full disk")
		}
		s.Close()
	} else if !strings.Contains(err.Error(), "no space") {
		t.Errorf("opened on a full disk: %v", err)
	}
	free()
	sound(t, home)
	s = reopened(t, home)
	if m := must(s.Recall(t.Context(), noon.Add(day)))(t); m.Audits != before {
		t.Errorf("%d audits remembered, and %d were before", m.Audits, before)
	}
	recorded(t, s, audited(doc, noon.Add(day)))
}

func TestDiskFullBeforeItBegins(t *testing.T) {
	home := mounted(t, "1m")
	free := fill(t, home)
	if _, err := Open(t.Context(), home, noon); err == nil {
		t.Error("a memory begins on a full disk")
	}
	free()
	if s := reopened(t, home); s.Notice() != "" {
		t.Errorf("what the full disk left behind is set aside: %s", s.Notice())
	}
}

// On a read-only disk the history can be read, and an audit gets an error.
func TestReadOnlyDisk(t *testing.T) {
	home := mounted(t, "1m")
	s := reopened(t, home)
	recorded(t, s, audited(document(t, 1), noon))
	s.Close()
	if err := unix.Mount("", home, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), home, noon); err == nil {
		t.Error("a memory that cannot be written is opened")
	}
	r, err := OpenReadOnly(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if m := must(r.Recall(t.Context(), noon))(t); m.Audits != 1 {
		t.Errorf("%d audits read, want 1", m.Audits)
	}
}

// Permissions do not apply to root.
func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("permissions do not bind root; TestReadOnlyDisk is as good")
	}
	for name, mode := range map[string]fs.FileMode{"": 0o500, "history.db": 0o400} {
		s, home := opened(t)
		s.Close()
		path := filepath.Join(filepath.Dir(Path(home)), name)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), home, noon); err == nil {
			t.Errorf("%q of mode %04o: opened", name, mode)
		}
		r, err := OpenReadOnly(t.Context(), home)
		if err != nil {
			t.Errorf("%q of mode %04o: %v", name, mode, err)
		} else {
			r.Close()
		}
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}
