package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"

	"stackpolicy/internal/output"
)

func TestLocalized(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for locale, isUTF8 := range map[[3]string]bool{
		{"", "", ""}:                       true,
		{"", "", "C"}:                      false,
		{"", "", "POSIX"}:                  false,
		{"", "", "de_DE"}:                  false,
		{"", "", "de_DE.ISO-8859-15@euro"}: false,
		{"", "", "C.UTF-8"}:                true,
		{"", "", "de_DE.utf8@euro"}:        true,
		{"", "C", "C.UTF-8"}:               false,
		{"C", "C.UTF-8", "C.UTF-8"}:        false,
		{"C.UTF-8", "", "C"}:               true,
	} {
		for i, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
			t.Setenv(name, locale[i])
		}
		if w := Localized(file); (w == io.Writer(file)) != isUTF8 || Raw(w) != io.Writer(file) {
			t.Errorf("%q: UTF-8 is %t, want %t", locale, w == io.Writer(file), isUTF8)
		}
	}
}

// TestASCII: every text is ASCII, however it is cut into writes, and data is as it was.
func TestASCII(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := &ascii{file: file}
	for _, part := range []string{"a\xe2", "\x80", "\xa6 größe · 𝄞 \xff.", "\n"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%q: wrote %d, %v", part, n, err)
		}
	}
	const want = `a... gr\u00f6\u00dfe - \ud834\udd1e \ufffd.` + "\n"
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	echo := func(w io.Writer, s string) error { _, err := io.WriteString(w, s); return err }
	for _, name := range []string{"text", "json"} {
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		o := OutputFlag(&cobra.Command{}, []output.Format[string]{{Name: name, Write: echo}})
		if err := o.Write(w, "größe"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || bytes.Contains(got, []byte("größe")) != (name == "json") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
