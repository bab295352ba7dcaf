package regularfile

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// inTime fails the test if f does not return: opening a FIFO waits for ever.
func inTime(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not return")
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func fifo(t *testing.T, path string) string {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func socket(t *testing.T, path string) string {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return path
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	file := write(t, at("file"), "12345")
	link(t, "nowhere", at("gone"))
	link(t, dir, at("folder"))
	cases := map[string]struct{ path, want, err string }{
		"a file":                     {file, "12345", ""},
		"a link to a file":           {link(t, file, at("link")), "12345", ""},
		"an empty file":              {write(t, at("empty"), ""), "", ""},
		"a byte too many":            {write(t, at("large"), "123456"), "", "read " + at("large") + ": larger than 5 bytes"},
		"nothing":                    {at("none"), "", "open " + at("none") + ": no such file or directory"},
		"nothing in a linked folder": {at("folder/none"), "", "open " + at("folder/none") + ": no such file or directory"},
		"a dangling link":            {at("gone"), "", "open " + at("gone") + ": " + at("gone") + " is a link to nowhere, which does not exist"},
		"a dangling folder":          {at("gone/a/b"), "", "open " + at("gone/a/b") + ": " + at("gone") + " is a link to nowhere, which does not exist"},
		"a folder":                   {dir, "", "open " + dir + ": not a regular file"},
		"a FIFO":                     {fifo(t, at("fifo")), "", "open " + at("fifo") + ": not a regular file"},
		"a link to a FIFO":           {link(t, at("fifo"), at("to-fifo")), "", "open " + at("to-fifo") + ": not a regular file"},
		"an endless device":          {"/dev/zero", "", "open /dev/zero: not a regular file"},
		"a socket":                   {socket(t, at("s")), "", "open " + at("s") + ": no such device or address"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inTime(t, func() {
				got, err := Read(c.path, 5)
				if text := errorText(err); text != c.err || string(got) != c.want {
					t.Errorf("got %q, %s\nwant %q, %s", got, text, c.want, c.err)
				}
				if nothing := strings.HasPrefix(name, "nothing"); errors.Is(err, fs.ErrNotExist) != nothing {
					t.Errorf("does not exist: %v, want %v", !nothing, nothing)
				}
			})
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestOpenFileWrites: a lock's file is opened and made with the same care.
func TestOpenFileWrites(t *testing.T) {
	dir := t.TempDir()
	flags := os.O_RDWR | os.O_CREATE | syscall.O_NOFOLLOW
	inTime(t, func() {
		f, err := OpenFile(filepath.Join(dir, "new"), flags, 0o600)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if _, err := f.WriteString("x"); err != nil {
			t.Error(err)
		}
		if _, err := OpenFile(link(t, f.Name(), filepath.Join(dir, "link")), flags, 0o600); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("a link: got %v, want ELOOP", err)
		}
		if _, err := OpenFile(fifo(t, filepath.Join(dir, "fifo")), flags, 0o600); !errors.Is(err, ErrNotRegular) {
			t.Errorf("a FIFO: got %v, want ErrNotRegular", err)
		}
	})
}

func TestReadAll(t *testing.T) {
	for text, want := range map[string]error{"": nil, "12345": nil, "123456": ErrTooLarge} {
		got, err := ReadAll(iotest.OneByteReader(strings.NewReader(text)), 5)
		if !errors.Is(err, want) || err == nil && string(got) != text {
			t.Errorf("%q: got %q, %v; want %v", text, got, err, want)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadAll(iotest.ErrReader(broken), 5); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

// TestReadAllOfALargeFile: it is refused by its size, before it is read.
func TestReadAllOfALargeFile(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "sparse"), "")
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skip(err)
	}
	inTime(t, func() {
		if _, err := Read(path, 3<<20); !errors.Is(err, ErrTooLarge) || !strings.HasSuffix(err.Error(), "larger than 3 MiB") {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
	})
}
