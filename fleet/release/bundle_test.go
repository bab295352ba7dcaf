package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide/policy"
	"stackpolicy/policies"
)

func TestBundleIsReproducible(t *testing.T) {
	files := policy.OpenWithTests(policies.FS, "").Files
	first := pack(t, files)
	slices.Reverse(files)
	if !bytes.Equal(first, pack(t, files)) {
		t.Error("the same files in another order give another bundle")
	}
	slices.Reverse(files)
	got, err := Unpack(first)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(files, got); d != "" {
		t.Error(d)
	}
	t.Logf("the built-in rules are %d bytes", len(first))
}

type entry struct {
	name string
	kind byte
	size int
}

// archive is a bundle that nobody checked.
func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	w := tar.NewWriter(compressed)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Size: int64(e.size), Linkname: "main.rego", Format: tar.FormatPAX}
		if e.kind != tar.TypeReg {
			header.Size = 0
		}
		must(t, w.WriteHeader(header))
		if header.Size > 0 {
			_, err := w.Write(make([]byte, e.size))
			must(t, err)
		}
	}
	must(t, w.Close(), compressed.Close())
	return packed.Bytes()
}

// TestUnpackRefuses: nothing is unpacked beside the folder, nothing that is no file of rules, and
// not more than a folder of rules may have.
func TestUnpackRefuses(t *testing.T) {
	ok := entry{"main.rego", tar.TypeReg, 1}
	var many []entry
	for i := range maxBundleFiles + 1 {
		many = append(many, entry{"lib/" + strings.Repeat("a", i/26+1) + string(rune('a'+i%26)) + ".rego", tar.TypeReg, 1})
	}
	slices.SortFunc(many, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var large []entry
	for i := range 20 {
		large = append(large, entry{"lib/" + string(rune('a'+i)) + ".rego", tar.TypeReg, maxBundleFile})
	}
	noise := make([]byte, MaxBundle+1)
	_, _ = rand.Read(noise)
	whole := archive(t, ok)
	for name, c := range map[string]struct {
		bundle []byte
		want   string
	}{
		"a path above it":      {archive(t, entry{"../main.rego", tar.TypeReg, 1}), "no name"},
		"a path above, inside": {archive(t, entry{"lib/../../main.rego", tar.TypeReg, 1}), "no name"},
		"an absolute path":     {archive(t, entry{"/etc/main.rego", tar.TypeReg, 1}), "no name"},
		"a link":               {archive(t, entry{"main.rego", tar.TypeSymlink, 0}), "not a regular file"},
		"a hard link":          {archive(t, entry{"main.rego", tar.TypeLink, 0}), "not a regular file"},
		"a device":             {archive(t, entry{"main.rego", tar.TypeChar, 0}), "not a regular file"},
		"a folder":             {archive(t, entry{"lib/", tar.TypeDir, 0}), "not a regular file"},
		"a hidden file":        {archive(t, entry{".base.txtar", tar.TypeReg, 1}), "hidden"},
		"a hidden folder":      {archive(t, entry{"lib/.x/a.rego", tar.TypeReg, 1}), "hidden"},
		"a script":             {archive(t, entry{"run.sh", tar.TypeReg, 1}), "neither a rule"},
		"other data":           {archive(t, entry{"data.json", tar.TypeReg, 1}), "neither a rule"},
		"a control character":  {archive(t, entry{"lib/a\x1b.rego", tar.TypeReg, 1}), "no name"},
		"a file twice":         {archive(t, ok, ok), "in order"},
		"another order":        {archive(t, ok, entry{"lib/lib.rego", tar.TypeReg, 1}), "in order"},
		"too many files":       {archive(t, many...), "too large"},
		"a large file":         {archive(t, entry{"main.rego", tar.TypeReg, maxBundleFile + 1}), "too large"},
		"too much":             {archive(t, large...), "too large"},
		"a large bundle":       {noise, "too large"},
		"no archive":           {noise[:100], "gzip"},
		"no files":             {archive(t), "no files"},
		"cut":                  {whole[:len(whole)-12], "unexpected EOF"},
		"another byte":         {flipped(whole, len(whole)-6), "checksum"},
		"something behind":     {append(slices.Clone(whole), whole...), "follows"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := Unpack(c.bundle)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %d files and %v, want %q", len(files), err, c.want)
			}
		})
	}
}

func flipped(text []byte, at int) []byte {
	text = slices.Clone(text)
	text[at] ^= 1
	return text
}

func TestPackRefuses(t *testing.T) {
	noise := make([]byte, maxBundleFile)
	_, _ = rand.Read(noise)
	for name, files := range map[string][]policy.File{
		"nothing":          nil,
		"a large bundle":   {{Name: "a.rego", Text: noise}},
		"a large file":     {{Name: "a.rego", Text: append(noise, 0)}},
		"a file of others": {{Name: "README", Text: []byte("x")}},
	} {
		if _, err := Pack(files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Pack([]policy.File{{Name: "a.rego", Text: noise}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	good, err := Pack(rules("package stackpolicy.lib\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, bundle []byte) {
		files, err := Unpack(bundle)
		if err != nil {
			return
		}
		if again := pack(t, files); len(again) == 0 {
			t.Error("what was unpacked cannot be packed")
		}
	})
}
