package unitfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxEntries bounds one folder: more is not a unit folder but an attack or an
// accident.
const maxEntries = 100_000

// Index is what stands in the folders of a unit path, read once.
type Index struct {
	path    []string                           // search folders, highest priority first
	names   map[string][]string                // unit file name -> folders that hold it, by priority
	dropIns map[string]map[string]dropInFolder // folder name (foo.service.d) -> search folder -> what is in it
	links   map[string][]Link                  // unit name -> links that pull it in
	changed map[string]time.Time               // folder -> its ctime
	named   map[string]string                  // folder after all links -> folder as searched
}

// dropInFolder is one folder of drop-ins.
type dropInFolder struct {
	real   string   // its path without links
	files  []string // the *.conf names in it, in order
	unread bool     // systemd passes it over
}

// Link is an entry of a .wants, .requires or .upholds folder.
type Link struct {
	Path string
	Of   string // the unit whose folder it is in
	Kind string // wants, requires or upholds
}

// linkKinds are the folder suffixes by which one unit pulls in another.
var linkKinds = []string{"wants", "requires", "upholds"}

// ReadIndex walks every folder of path. A folder that does not exist is empty;
// one that cannot be read is an error, for what is in it is not known.
func ReadIndex(ctx context.Context, path []string) (*Index, error) {
	x := &Index{
		path:    slices.Clone(path),
		names:   map[string][]string{},
		dropIns: map[string]map[string]dropInFolder{},
		links:   map[string][]Link{},
		changed: map[string]time.Time{},
		named:   map[string]string{},
	}
	seen := map[string]bool{}
	for _, dir := range path {
		if real, err := filepath.EvalSymlinks(dir); err == nil && seen[real] {
			continue // /lib/systemd/user on a merged /usr
		} else if err == nil {
			seen[real] = true
			x.named[real] = dir
		}
		if err := x.readFolder(ctx, dir); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *Index) readFolder(ctx context.Context, dir string) error {
	names, err := x.list(ctx, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		_, kind := Split(name)
		switch {
		case kind == "d":
			err = x.readDropIns(ctx, dir, name)
		case slices.Contains(linkKinds, kind):
			err = x.readLinks(ctx, dir, name)
		case Valid(name):
			x.names[name] = append(x.names[name], dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) readDropIns(ctx context.Context, dir, folder string) error {
	names, err := x.list(ctx, filepath.Join(dir, folder))
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n string) bool {
		return !strings.HasSuffix(n, ".conf") || strings.HasPrefix(n, ".")
	})
	path := filepath.Join(dir, folder)
	found := dropInFolder{files: names, unread: relativeLink(path)}
	if found.real, err = filepath.EvalSymlinks(path); err != nil {
		return nil // gone, or a link to nowhere: there is nothing in it
	}
	if real, err := filepath.EvalSymlinks(filepath.Join(dir, folder)); err == nil {
		x.named[real] = filepath.Join(dir, folder)
	}
	if x.dropIns[folder] == nil {
		x.dropIns[folder] = map[string]dropInFolder{}
	}
	x.dropIns[folder][dir] = found
	return nil
}

// relativeLink reports whether path is a link with a relative target. systemd
// (252 to 257) reads a linked folder of drop-ins or dependencies only where
// the target is absolute.
func relativeLink(path string) bool {
	to, err := os.Readlink(path)
	return err == nil && !filepath.IsAbs(to)
}

func (x *Index) readLinks(ctx context.Context, dir, folder string) error {
	names, err := x.list(ctx, filepath.Join(dir, folder))
	if err != nil {
		return err
	}
	if relativeLink(filepath.Join(dir, folder)) {
		return nil
	}
	of, kind := Split(folder)
	for _, name := range names {
		if Valid(name) {
			l := Link{Path: filepath.Join(dir, folder, name), Of: of, Kind: kind}
			x.links[name] = append(x.links[name], l)
		}
	}
	return nil
}

// list names the entries of a folder in order, and notes when it last changed.
func (x *Index) list(ctx context.Context, dir string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read unit folder %q: %w", dir, err)
	}
	info, err := os.Stat(dir)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read unit folder: %w", err)
	}
	if !info.IsDir() {
		return nil, nil
	}
	x.changed[dir] = ctime(info)
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("read unit folder: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read unit folder %q: %w", dir, err)
	}
	if len(names) > maxEntries {
		return nil, fmt.Errorf("read unit folder %q: more than %d entries", dir, maxEntries)
	}
	slices.Sort(names)
	return names, nil
}

// Names lists every unit file name in the path, in order.
func (x *Index) Names() []string {
	names := make([]string, 0, len(x.names))
	for n := range x.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// In lists the unit file names that stand in one folder of the path, in order.
func (x *Index) In(dir string) []string {
	return slices.DeleteFunc(x.Names(), func(n string) bool { return !slices.Contains(x.names[n], dir) })
}

// Fragments lists the files that could define the unit, the one systemd would
// take first: its own name in every folder, then its template's.
func (x *Index) Fragments(name string) []string {
	var paths []string
	for _, n := range []string{name, Template(name)} {
		for _, dir := range x.names[n] {
			paths = append(paths, filepath.Join(dir, n))
		}
	}
	return paths
}

// Named gives the path of a drop-in below the search folder it was found in.
// systemd names drop-ins by where their folder is after all links (on Debian
// /etc/xdg/systemd/user is a link, on NixOS /etc/systemd/user is).
func (x *Index) Named(path string) string {
	folder := filepath.Dir(path)
	if name, ok := x.named[folder]; ok {
		return filepath.Join(name, filepath.Base(path))
	}
	if name, ok := x.named[filepath.Dir(folder)]; ok { // the folder is gone
		return filepath.Join(name, filepath.Base(folder), filepath.Base(path))
	}
	return path
}

// DropIn is a file that alters a unit.
type DropIn struct {
	Path   string
	Real   string // Path without links in its folders: what systemd calls it (DropInPaths)
	Masked bool   // systemd does not read it: one of the same name stands before it, or its folder is a relative link
}

// DropIns lists the files that could alter a unit known by names (its own and
// its aliases), in the order systemd reads them: by file name, where the most
// specific, highest-priority folder wins (systemd.unit(5)).
func (x *Index) DropIns(names []string) []DropIn {
	var found []DropIn
	taken := map[string]bool{}
	for _, dir := range x.dropInDirs(names) {
		folder, parent := filepath.Base(dir), filepath.Dir(dir)
		in := x.dropIns[folder][parent]
		for _, file := range in.files {
			found = append(found, DropIn{filepath.Join(dir, file), filepath.Join(in.real, file), in.unread || taken[file]})
			taken[file] = taken[file] || !in.unread
		}
	}
	slices.SortStableFunc(found, func(a, b DropIn) int {
		return strings.Compare(filepath.Base(a.Path), filepath.Base(b.Path))
	})
	return found
}

// dropInDirs lists the drop-in folders that exist: for each name and search
// folder those that carry the name, then those of the type as a whole.
func (x *Index) dropInDirs(names []string) []string {
	var dirs []string
	add := func(parent string, folders []string) {
		for _, folder := range folders {
			dir := filepath.Join(parent, folder)
			if _, ok := x.dropIns[folder][parent]; ok && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	kind := ""
	for _, name := range names {
		_, kind = Split(name)
		for _, parent := range x.path {
			add(parent, dropInFolders(name))
		}
	}
	for _, parent := range x.path {
		add(parent, []string{kind + ".d"})
	}
	return dirs
}

// Links lists the wants, requires and upholds links to a unit, by path order.
func (x *Index) Links(name string) []Link { return x.links[name] }

// LinksChanged tells when the folders that could hold a link of the given
// owner last changed: its own ones, and the search folders they stand in.
func (x *Index) LinksChanged(owner string) time.Time {
	var newest time.Time
	for _, p := range x.path {
		newest = later(newest, x.changed[p])
		for _, kind := range linkKinds {
			newest = later(newest, x.changed[filepath.Join(p, owner+"."+kind)])
		}
	}
	return newest
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
