package notify

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func content(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func TestWriteTextfile(t *testing.T) {
	old := syscall.Umask(0o077) // as the shipped unit has it
	defer syscall.Umask(old)
	folder := t.TempDir()
	path := filepath.Join(folder, "stackpolicy.prom")
	for _, text := range []string{"a 1\n", "a 2\n"} {
		if err := WriteTextfile(path, content(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("got %q, %v; want %q", got, err, text)
		}
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v; node_exporter is another user", info.Mode(), err)
	}
}

func TestTextfilesThatAreNotWritten(t *testing.T) {
	folder := t.TempDir()
	target := filepath.Join(folder, "target")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(folder, "link.prom")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(folder, "kept.prom")
	if err := os.WriteFile(kept, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		path  string
		write func(io.Writer) error
		want  string
	}{
		"a link":    {link, content("x"), "it is a link; remove it"},
		"a folder":  {folder, content("x"), "it is not a regular file"},
		"no folder": {folder + "/none/x.prom", content("x"), "no such file or directory"},
		"half way":  {kept, func(w io.Writer) error { _ = content("half")(w); return errDown }, errDown.Error()},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := WriteTextfile(c.path, c.write); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for _, path := range []string{target, kept} {
		if got, err := os.ReadFile(path); err != nil || string(got) != "kept" {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
	if left, err := filepath.Glob(folder + "/.*-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
