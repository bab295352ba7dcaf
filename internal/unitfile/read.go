package unitfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// maxEntries bounds one folder: more is not a unit folder but an attack or an
// accident.
const maxEntries = 100_000

// ReadIndex walks every folder of path. A folder that does not exist is empty;
// one that cannot be read is an error, for what is in it is not known. Of the folders in
// them, one that may not be read matters to some units only: see [Index.Denied].
func ReadIndex(ctx context.Context, path []string) (*Index, error) {
	return newIndexer(path).read(ctx)
}

// indexer builds an index.
type indexer struct {
	*Index
	resolve func(string) (string, error) // the path after all links
}

func newIndexer(path []string) *indexer {
	return &indexer{resolve: filepath.EvalSymlinks, Index: &Index{
		path:    slices.Clone(path),
		names:   map[string][]string{},
		dropIns: map[string]map[string]dropInFolder{},
		links:   map[string][]Link{},
		linked:  map[string][]Link{},
		changed: map[string]time.Time{},
		named:   map[string]string{},
		denied:  map[string]string{},
	}}
}

func (x *indexer) read(ctx context.Context) (*Index, error) {
	seen := map[string]bool{}
	for _, dir := range x.path {
		if real, err := x.resolve(dir); err == nil && seen[real] {
			continue // /lib/systemd/user on a merged /usr
		} else if err == nil {
			seen[real] = true
			x.named[real] = dir
		}
		if err := x.readFolder(ctx, dir); err != nil {
			return nil, err
		}
	}
	return x.Index, nil
}

func (x *indexer) readFolder(ctx context.Context, dir string) error {
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
		if errors.Is(err, fs.ErrPermission) {
			x.denied[name], err = filepath.Join(dir, name), nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *indexer) readDropIns(ctx context.Context, dir, folder string) error {
	path := filepath.Join(dir, folder)
	names, err := x.list(ctx, path)
	if err != nil {
		return err
	}
	real, err := x.resolve(path)
	if err != nil {
		return nil // gone, or a link to nowhere: there is nothing in it
	}
	x.named[real] = path
	if x.dropIns[folder] == nil {
		x.dropIns[folder] = map[string]dropInFolder{}
	}
	x.dropIns[folder][dir] = dropInFolder{real: real, unread: relativeLink(path), files: slices.DeleteFunc(names, func(n string) bool {
		return !strings.HasSuffix(n, ".conf") || strings.HasPrefix(n, ".")
	})}
	return nil
}

// relativeLink reports whether path is a link with a relative target. systemd
// (252 to 257) reads a linked folder of drop-ins or dependencies only where
// the target is absolute.
func relativeLink(path string) bool {
	to, err := os.Readlink(path)
	return err == nil && !filepath.IsAbs(to)
}

func (x *indexer) readLinks(ctx context.Context, dir, folder string) error {
	path := filepath.Join(dir, folder)
	names, err := x.list(ctx, path)
	if err != nil || relativeLink(path) {
		return err
	}
	of, kind := Split(folder)
	for _, name := range names {
		if Valid(name) {
			l := Link{Path: filepath.Join(path, name), Of: of, Kind: kind}
			x.links[name] = append(x.links[name], l)
			x.linked[folder] = append(x.linked[folder], l)
		}
	}
	return nil
}

// list names the entries of a folder in order, and notes when it last changed.
func (x *indexer) list(ctx context.Context, dir string) ([]string, error) {
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

// Entries returns the names in a folder, sorted. There are none where there is no folder,
// and where this account may not look: its manager may not either. More than limit are an
// error. It waits for no FIFO.
func Entries(folder string, limit int) ([]string, error) {
	f, err := os.OpenFile(folder, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if missing(err) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read folder %q: %w", folder, err)
	}
	if len(names) > limit {
		return nil, fmt.Errorf("read folder %q: more than %d entries", folder, limit)
	}
	slices.Sort(names)
	return names, nil
}
