package collect

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

// TestSources: a quadlet's sources are those that are declared and the one that is loaded,
// each with its drop-ins, on disk or declared.
func TestSources(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd[1]*")
	source, loaded := filepath.Join(dir, "web.container"), filepath.Join(dir, "old.container")
	for _, name := range []string{"web.container.d/20-own.conf", "web.container.d/README", "old.container.d/a.conf", "pod.d/other-type.conf"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &places{quadlets: map[string]string{source: "web.service", filepath.Join(dir, "db.container"): "db.service"}}
	var err error
	if p.dropIns, err = readQuadletDropIns([]string{dir}); err != nil {
		t.Fatal(err)
	}
	p.folders = map[string][]string{source + ".d": {source + ".d/10-declared.conf", source + ".d/20-own.conf"}}
	want := []string{
		"source web.container", "source-dropin web.container.d/20-own.conf", "source-dropin web.container.d/10-declared.conf",
		"source old.container", "source-dropin old.container.d/a.conf",
	}
	var got []string
	for _, c := range p.sources(facts.Unit{Name: "web.service", Quadlet: true}, loaded) {
		rel, err := filepath.Rel(dir, c.path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.role+" "+rel)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := p.sources(facts.Unit{Name: "web.service"}, loaded); got != nil {
		t.Errorf("of a unit that is no quadlet: %v", got)
	}
}

// TestQuadletDropIns: as podman 5.4 reads them (measured with its generator).
func TestQuadletDropIns(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"run/container.d/a.conf", "home/web-app.container.d/a.conf", "home/web-app.container.d/b.conf", "home/web-.container.d/b.conf",
		"home/container.d/c.conf", "home/sub/web-app.container.d/c.conf", "home/volume.d/v.conf", "home/web-db.container.d/d.conf",
		"etc/web-app.container.d/n.conf", "elsewhere/container.d/o.conf", "home/container.d/README", "home/container.d/t.conf",
	} {
		rewrite(t, filepath.Join(dir, name))
	}
	for link, target := range map[string]string{"home/link": "../elsewhere", "home/web-app.container.d/n.conf": "/dev/null", "home/loop": "."} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := readQuadletDropIns([]string{filepath.Join(dir, "run"), filepath.Join(dir, "home"), filepath.Join(dir, "none"), filepath.Join(dir, "etc")})
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]string{
		"web-app.container": {
			"run/container.d/a.conf", "home/web-app.container.d/b.conf", "home/web-app.container.d/n.conf",
			"home/container.d/c.conf", "home/container.d/t.conf", "home/link/container.d/o.conf",
		},
		"web-db.container": {
			"run/container.d/a.conf", "home/web-db.container.d/d.conf", "home/web-.container.d/b.conf",
			"home/container.d/c.conf", "home/container.d/t.conf", "home/link/container.d/o.conf",
		},
		"data.volume": {"home/volume.d/v.conf"}, "data.network": nil,
	} {
		var got []string
		for _, f := range d.of(filepath.Join("/x", source)) {
			if !f.Masked {
				rel, _ := filepath.Rel(dir, f.Path)
				got = append(got, rel)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s -want +got\n%s", source, diff)
		}
	}
}

// Folders in folders are bounded as a whole, not only in each folder.
func TestTooManyFoldersOfQuadlets(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		for j := range 50 {
			if err := os.MkdirAll(filepath.Join(dir, strconv.Itoa(i), strconv.Itoa(j)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	left := maxSources
	_, err1 := sourcesIn(dir, 0, &left)
	_, err2 := readQuadletDropIns([]string{dir})
	for _, err := range []error{err1, err2} {
		if err == nil || !strings.Contains(err.Error(), "more than 2000 folders") {
			t.Errorf("got %v", err)
		}
	}
}
