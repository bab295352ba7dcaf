package composes

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"stackpolicy/internal/compose"
	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

var update = flag.Bool("update", false, "write what is said now into the corpus")

// corpus is one construct a file: compose.yaml and what it names, and what the loader and
// each provider say of it, under want.
const corpus = "../../../testdata/foreign/compose"

const wantName = "want"

// entry is one file of the corpus.
type entry struct {
	name, file string
	archive    *txtar.Archive
	want       string
}

func entries(t *testing.T) (all []entry) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files in the corpus: %v", len(files), err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e := entry{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), file: file, archive: archive}
		if last := len(archive.Files) - 1; archive.Files[last].Name == wantName {
			e.want = string(archive.Files[last].Data)
			archive.Files = archive.Files[:last]
		}
		all = append(all, e)
	}
	return all
}

// unpack writes the corpus into a folder, each entry into one of its own.
func unpack(t *testing.T, all []entry) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range all {
		if err := txtar.Write(e.archive, filepath.Join(dir, e.name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (e entry) loaderWants() string {
	for line := range strings.Lines(e.want) {
		if words, found := strings.CutPrefix(line, "loader "); found {
			return strings.TrimSpace(words)
		}
	}
	return ""
}

// TestLoader has every entry loaded, everywhere.
func TestLoader(t *testing.T) {
	all := entries(t)
	dir := unpack(t, all)
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			if e.want == "" {
				t.Fatal("nothing is said under want: run the tests of the package with -update")
			}
			path := filepath.Join(dir, e.name, "compose.yaml")
			if got := loader(t.Context(), path); got != e.loaderWants() {
				t.Errorf("got  %s\nwant %s", got, e.loaderWants())
			}
		})
	}
}

func loader(ctx context.Context, path string) string {
	p, err := compose.Load(ctx, compose.Options{Project: "foreign", Files: []string{path}, Environ: []string{"HOME=/home/ada"}})
	if err == nil {
		_, err = p.Model()
	}
	if err != nil {
		return "refuses: " + without(err, path)
	}
	return "loads"
}

// TestProviders has podman-compose of both Debians rehearse every entry, as stackctl gives it;
// with -update and STACKPOLICY_LAB_EACH=1 also as it is.
func TestProviders(t *testing.T) {
	for _, s := range Suites {
		if err := machine.Available(machine.Options{Suite: s.Suite}); err != nil {
			t.Skip("no machine can be booted here: ", err)
		}
	}
	all, asItIs := entries(t), *update || debian.Each()
	verdicts, err := checkAll(t.Context(), unpack(t, all), asItIs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		got := said(verdicts, index(t, verdicts[0], e.name))
		if !asItIs {
			e.want = asItWasGiven.ReplaceAllString(e.want, "")
		}
		switch {
		case *update:
			e.archive.Files = append(e.archive.Files, txtar.File{Name: wantName, Data: []byte(got)})
			if err := os.WriteFile(e.file, txtar.Format(e.archive), 0o644); err != nil {
				t.Fatal(err)
			}
		case got != e.want:
			t.Errorf("%s\ngot\n%swant\n%s", e.name, got, e.want)
		}
	}
}

var asItWasGiven = regexp.MustCompile(`(?m)^[\d.]+ refuses it as it is: .*\n`)

func index(t *testing.T, verdicts []Verdict, name string) int {
	t.Helper()
	for i, v := range verdicts {
		if v.File == name+"/compose.yaml" {
			return i
		}
	}
	t.Fatalf("no verdict of %s", name)
	return 0
}

func said(verdicts [][]Verdict, i int) string {
	var text bytes.Buffer
	if why := verdicts[0][i].Loader; why != "" {
		fmt.Fprintf(&text, "loader refuses: %s\n", printable(why))
		return text.String()
	}
	fmt.Fprintln(&text, "loader loads")
	for n, s := range Suites {
		version := strings.TrimPrefix(s.Provider, "podman-compose ")
		lines := verdicts[n][i].lines()
		if v := verdicts[n][i]; v.Given == "" && len(v.Cannot) == 0 {
			lines = append(lines, "runs what stackctl gives it")
		}
		for _, line := range lines {
			fmt.Fprintf(&text, "%s %s\n", version, printable(line))
		}
	}
	return text.String()
}

// page has the table of what podman-compose cannot do, between these lines.
const (
	page  = "../../../docs/stackctl.md"
	begin = "<!-- providers: written by go test ./lab/foreign/composes -update -->\n"
	end   = "<!-- end of providers -->\n"
)

// TestTable compares the table of the documentation with the corpus.
func TestTable(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	written, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no lines %q and %q", page, begin, end)
	}
	want := table(entries(t))
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if written != want {
		t.Errorf("%s is not what the corpus says: run this test with -update", page)
	}
}

// table has a row for each entry of which a provider cannot do everything.
func table(all []entry) string {
	var rows strings.Builder
	fmt.Fprint(&rows, "| file of testdata/foreign/compose | what it has | 1.0 | 1.3 |\n|---|---|---|---|\n")
	for _, e := range all {
		old, newer := e.cell("1.0.3"), e.cell("1.3.0")
		if old+newer != "" {
			fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", e.name, strings.TrimSpace(string(e.archive.Comment)), old, newer)
		}
	}
	return rows.String()
}

func (e entry) cell(version string) string {
	for _, kind := range [][2]string{{"cannot: ", "refused by preflight"}, {"refuses what stackctl gives it: ", "refuses"}, {"leaves out: ", "ignores it"}} {
		if strings.Contains(e.want, "\n"+version+" "+kind[0]) {
			return kind[1]
		}
	}
	return ""
}
