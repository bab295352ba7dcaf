package definitions

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/programs"
	"stackpolicy/lab/usermanager"
)

var update = flag.Bool("update", false, "write the expected verdicts")

const corpus = "../../../testdata/foreign"

// odd are files with names that a Go module cannot hold, and whose text they have.
var odd = map[string]map[string]string{
	"quadlets": {"colon:name.container": "plain.container", `my\x2descaped.container`: "plain.container", "line\nbreak.container": "plain.container"},
	"units":    {"a:b.service": "plain.service", `mnt-data\x2dset.service`: "plain.service", "not\xffutf8.service": "plain.service"},
}

// TestCorpus puts a file for each kind of construct before podman's generator, the manager and
// stackpolicy, in the layouts and on the releases, and compares the verdicts with those in
// testdata/foreign/*.txt.
func TestCorpus(t *testing.T) {
	program := build(t)
	for _, c := range []struct {
		folder, suite string
		layout        Layout
		golden        string
	}{
		{"quadlets", debian.Trixie, Plain, "quadlets.txt"},
		{"quadlets", debian.Trixie, Links, "quadlets-home-manager.txt"},
		{"units", debian.Trixie, Plain, "units.txt"},
		{"units", debian.Bookworm, Plain, "units-252.txt"},
	} {
		t.Run(c.golden, func(t *testing.T) {
			l := open(t, program, c.suite)
			t.Parallel()
			groups, left, err := gather(filepath.Join(corpus, c.folder))
			if err != nil || len(left) > 0 {
				t.Fatal(err, left)
			}
			if c.folder == "quadlets" && c.layout == Plain {
				groups = append(groups, Group{"alone-dangling", []File{{Path: "lost.container", Link: "nowhere.container"}, {Path: "beside.container", Text: textOf(groups, "plain.container")}}})
			}
			for name, from := range odd[c.folder] {
				text := textOf(groups, from)
				groups[0].Files = append(groups[0].Files, File{Path: name, Text: text})
			}
			var lines []string
			for _, round := range rounds(groups) {
				verdicts, err := l.Judge(t.Context(), round, c.layout)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range verdicts {
					lines = append(lines, l.line(v))
				}
			}
			slices.Sort(lines)
			compare(t, filepath.Join(corpus, c.golden), strings.Join(lines, ""))
		})
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s: -want +got\n%s\nread each new verdict, then run the test with -update", golden, d)
	}
	if strings.Contains(got, "SUSPECT") {
		t.Errorf("%s: verdicts do not agree", golden)
	}
}

func textOf(groups []Group, name string) string {
	i := slices.IndexFunc(groups[0].Files, func(f File) bool { return f.Path == name })
	return groups[0].Files[i].Text
}

func build(t *testing.T) string {
	t.Helper()
	program, err := programs.Build(t.Context(), t.TempDir(), "stackpolicy")
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func open(t *testing.T, program, suite string) *Lab {
	t.Helper()
	if err := debian.Available(suite); err != nil {
		t.Skip("no root file system of ", suite, ": ", err)
	}
	root, err := debian.Cached(t.Context(), suite)
	if err != nil {
		t.Skip(err)
	}
	options := usermanager.Options{Root: root}
	if err := usermanager.Available(options); err != nil {
		t.Skip("no user manager can be started here: ", err)
	}
	l, err := Open(t.Context(), program, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
