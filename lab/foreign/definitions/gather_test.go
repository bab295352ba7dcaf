package definitions

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Nothing is read that is not a file of the folder, and nothing is kept that would start
// something when it is only read by the manager.
func TestGather(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) error {
		path := filepath.Join(dir, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600))
	}
	err := errors.Join(
		write("a/web.container", "web"), write("a/web.container.d/1.conf", "drop-in"), write("a/notes.txt", "no unit"),
		write("a/web.container.d/README", "no drop-in"), write(".git/x.service", "not ours"),
		write("b/up.service", "[Unit]\nupHolds=x.service\n"), write("b/spelt.container", "[Install]\nUpheldBy=default.target\n"),
		write("b/x.target.upholds/y.service", ""), write("b/-rf\n.service", "odd"), write("b/big.service", strings.Repeat("#", maxFile+1)),
		os.Symlink("/etc/passwd", filepath.Join(dir, "b/out.service")), os.Symlink("../a/web.container", filepath.Join(dir, "b/in.container")),
		os.Symlink("/dev/null", filepath.Join(dir, "b/masked.service")), os.Symlink("-rf\n.service", filepath.Join(dir, "b/alias.service")),
		os.Mkdir(filepath.Join(dir, "b/a.target.wants"), 0o755), os.Symlink("/etc/systemd/user/z.service", filepath.Join(dir, "b/a.target.wants/z.service")),
		os.Mkdir(filepath.Join(dir, "b/folder.service"), 0o755), syscall.Mkfifo(filepath.Join(dir, "b/pipe.service"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	groups, left, err := gather(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Group{
		{"a", []File{{Path: "web.container", Text: "web"}, {Path: "web.container.d/1.conf", Text: "drop-in"}}},
		{"b", []File{
			{Path: "-rf\n.service", Text: "odd"}, {Path: "a.target.wants/z.service", Link: "../z.service"}, {Path: "alias.service", Link: "-rf\n.service"},
			{Path: "in.container", Text: "web"}, {Path: "masked.service", Link: "/dev/null"},
		}},
	}
	if d := cmp.Diff(want, groups); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	var names []string
	for _, l := range left {
		names = append(names, l.Path)
	}
	if d := cmp.Diff([]string{"b/big.service", "b/out.service", "b/pipe.service", "b/spelt.container", "b/up.service", "b/x.target.upholds/y.service"}, names); d != "" {
		t.Errorf("left out: -want +got\n%s", d)
	}
}

// Files of one name are put into different rounds, a round is not too large, and what alters
// others is alone.
func TestRounds(t *testing.T) {
	var groups []Group
	add := func(name string, paths ...string) {
		g := Group{Name: name}
		for _, p := range paths {
			g.Files = append(g.Files, File{Path: p})
		}
		groups = append(groups, g)
	}
	add("a", "web.container")
	add("b", "web.kube")
	add("c", "web.container", "db.container")
	add("d", "other.container", "other.container.d/1.conf")
	add("e", "x.container", "container.d/1.conf")
	add("alone-f", "y.container")
	for range 2 {
		large := make([]string, maxRound-10)
		for i := range large {
			large[i] = strings.Repeat("z", i+1) + strings.Repeat("y", len(groups)) + ".service"
		}
		add("large", large...)
	}
	var got []string
	for _, round := range rounds(groups) {
		var names []string
		for _, g := range round {
			names = append(names, g.Name)
		}
		got = append(got, strings.Join(names, " "))
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"a d large", "alone-f", "b large", "c", "e"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestNeeded(t *testing.T) {
	all := []Group{
		{"a", []File{{Path: "web.container", Text: "Network=front.network\nImage=base.image\n"}}},
		{"b", []File{{Path: "front.network"}, {Path: "unrelated.network"}}},
		{"c", []File{{Path: "base.image", Text: "Image=made.build"}, {Path: "front.network"}}},
		{"d", []File{{Path: "made.build"}}},
	}
	var got []string
	for _, g := range needed(all[:1], all) {
		for _, f := range g.Files {
			got = append(got, g.Name+"/"+f.Path)
		}
	}
	if d := cmp.Diff([]string{"b/front.network", "c/base.image", "d/made.build"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
