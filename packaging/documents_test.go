package main

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLinksOfShippedPages: every relative link in a page that is shipped leads to a file
// that is shipped.
func TestLinksOfShippedPages(t *testing.T) {
	files, err := (&built{source: ".."}).documents()
	if err != nil {
		t.Fatal(err)
	}
	checkLinks(t, contents(files))
	for _, f := range files {
		if path.Ext(f.path) == ".go" {
			t.Errorf("%s is of the source tree alone", f.path)
		}
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "docs/eval.svg", "docs/threat-model.md", "schemas/v1/facts.json", "CHANGELOG.md", "SECURITY.md", "testdata/facts/page.json", "testdata/facts/stale.json"} {
		if !slices.ContainsFunc(files, func(f file) bool { return f.path == docDir+name }) {
			t.Errorf("%s is not shipped", name)
		}
	}
}

// checkLinks checks the links of the pages below docDir, of files by path.
func checkLinks(t *testing.T, files map[string][]byte) {
	t.Helper()
	seen := 0
	for name, data := range files {
		prefix, page, isDocument := strings.Cut(name, docDir)
		if !isDocument || path.Ext(page) != ".md" {
			continue
		}
		targets, err := links(page, data)
		if err != nil {
			t.Error(err)
		}
		seen += len(targets)
		for _, target := range targets {
			if _, shipped := files[prefix+docDir+target]; !shipped {
				t.Errorf("%s links to %s, which is not shipped", name, target)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d links were seen", seen)
	}
}

func contents(files []file) map[string][]byte {
	all := map[string][]byte{}
	for _, f := range files {
		all[f.path] = f.data
	}
	return all
}

// TestDocumentsFollowLinks, also from pages that are only shipped because of a link, and
// ships each file once.
func TestDocumentsFollowLinks(t *testing.T) {
	cases := map[string]struct {
		readme string
		want   []string
		err    string
	}{
		"no link":             {"text", []string{"README.md"}, ""},
		"a page and its link": {"[more](docs/more/a.md#part) ![](docs/more/a.md)", []string{"README.md", "docs/more/a.md", "docs/more/b.svg"}, ""},
		"elsewhere":           {"[x](https://example.org/x.md) [y](#part)", []string{"README.md"}, ""},
		"in code":             {"`[x](none.md)`\n```\n[y](none.md)\n```\n", []string{"README.md"}, ""},
		"a missing file":      {"[x](none.md)", nil, "none.md: no such file"},
		"outside":             {"[x](../x.md)", nil, "README.md links to ../x.md, which is outside the project"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "docs/more"), 0o755); err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{"README.md": c.readme, "docs/more/a.md": "[b](b.svg) [home](../../README.md)", "docs/more/b.svg": "[no page](c.md)"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			files, err := (&built{source: dir}).documents()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			var got []string
			for _, f := range files {
				got = append(got, strings.TrimPrefix(f.path, docDir))
			}
			if d := cmp.Diff(c.want, got); d != "" || err != nil {
				t.Errorf("%v, -want +got\n%s", err, d)
			}
		})
	}
}

// TestTarballHasEachFileOnce: its units replace those that a page links to.
func TestTarballHasEachFileOnce(t *testing.T) {
	common := []file{{"a", 0o644, []byte("page")}, {"units/x", 0o644, []byte("linked")}}
	got := without(common, []file{{"units/x", 0o644, []byte("adapted")}})
	if len(got) != 1 || got[0].path != "a" || len(common) != 2 {
		t.Errorf("got %v, of %v", got, common)
	}
}
