package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"

	"stackpolicy/facts/collect"
)

// maxLinks is how many links the kernel follows on the way to a file.
const maxLinks = 40

// maxFolders bounds the folders that are watched: more than any account has.
const maxFolders = 50_000

// folder is one that is watched.
type folder struct {
	names map[string]bool // those that are on the way to a place; nil with all
	all   bool            // all names count
	as    []string        // other paths by which it is looked for
}

// files watches places on disk by inotify. Where a place does not exist yet, the folders above
// it are watched.
type files struct {
	notify *fsnotify.Watcher
	fail   func(error) // gets why a place cannot be watched
	most   int         // how many folders may be watched

	lock    sync.Mutex
	folders map[string]*folder // by path without links
	single  map[string]bool    // files of the store: the store as a whole changes too often
	stale   []string           // paths that were forgotten, which inotify still follows
}

func newFiles(most int) (*files, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	return &files{notify: notify, most: most, folders: map[string]*folder{}, single: map[string]bool{}}, nil
}

// watch watches these places, and no others any more. It returns the folders that were added:
// what happened in them meanwhile was not seen.
func (f *files) watch(store string, places []collect.Place) (added []string, err error) {
	p := newPlan(store, f.most)
	for _, place := range places {
		p.add(place)
	}
	f.lock.Lock()
	isNew, isOld, added := f.differences(p)
	isOld = append(isOld, f.stale...)
	f.folders, f.single, f.stale = p.folders, p.single, nil
	f.lock.Unlock()
	// First what is old: a folder that was moved has one watch for its old and its new path.
	for _, path := range isOld {
		_ = f.notify.Remove(path) // it may be gone
	}
	errs := []error{p.err}
	for _, path := range isNew {
		errs = append(errs, f.add(path))
	}
	return added, errors.Join(errs...)
}

// differences lists what is to be watched and is not yet, and what is no longer. Added are the
// folders among the new.
func (f *files) differences(p *plan) (isNew, isOld, added []string) {
	now, before := p.paths(), (&plan{folders: f.folders, single: f.single}).paths()
	for path := range now {
		if !before[path] {
			isNew = append(isNew, path)
			if p.folders[path] != nil {
				added = append(added, path)
			}
		}
	}
	for path := range before {
		if !now[path] {
			isOld = append(isOld, path)
		}
	}
	return isNew, isOld, added
}

func (f *files) add(path string) error {
	err := f.notify.Add(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil // gone just now, which was seen above it; or nobody of this account can read it
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	return nil
}

// seen is what an event of inotify means.
type seen struct {
	paths     []string // that changed, by all names under which they are looked for
	structure bool     // folders on the way to a place changed: watch again
}

// see says what an event means; nothing if it is about a file that does not matter.
func (f *files) see(e fsnotify.Event) (s seen) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.single[e.Name] || f.folders[e.Name] != nil { // the file or folder itself
		s.paths, s.structure = append(s.paths, e.Name), true
		if e.Has(fsnotify.Create) || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
			f.forget(e.Name)
		}
	}
	in := f.folders[filepath.Dir(e.Name)]
	name := filepath.Base(e.Name)
	if in == nil || !in.all && !in.names[name] {
		return s
	}
	s.paths = append(s.paths, e.Name)
	for _, as := range in.as {
		s.paths = append(s.paths, filepath.Join(as, name))
	}
	if e.Has(fsnotify.Create) || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		info, err := os.Lstat(e.Name)
		isFile := err == nil && info.Mode().IsRegular()
		s.structure = s.structure || in.names[name] || err == nil && !isFile
	}
	return s
}

// forget lets a path, and what is below it, be watched again: another file or folder may be
// there by now, and inotify watches the one that was.
func (f *files) forget(path string) {
	if f.single[path] {
		delete(f.single, path)
		f.stale = append(f.stale, path)
	}
	for other := range f.folders {
		if other == path || strings.HasPrefix(other, path+"/") {
			delete(f.folders, other)
			f.stale = append(f.stale, other)
		}
	}
}

// plan is what must be watched for places.
type plan struct {
	store   string
	folders map[string]*folder
	single  map[string]bool
	real    map[string]string // path -> path without links; "" does not exist
	left    int               // how many folders more may be watched
	err     error             // that there are more
}

func newPlan(store string, limit int) *plan {
	return &plan{store: store, folders: map[string]*folder{}, single: map[string]bool{}, real: map[string]string{}, left: limit}
}

// paths are those that inotify watches.
func (p *plan) paths() map[string]bool {
	paths := maps.Clone(p.single)
	for path := range p.folders {
		paths[path] = true
	}
	return paths
}

func (p *plan) folder(path string) *folder {
	if p.folders[path] != nil {
		return p.folders[path]
	}
	if p.left == 0 {
		p.err = fmt.Errorf("watch %s: there are too many folders", path)
		return nil
	}
	p.left--
	p.folders[path] = &folder{names: map[string]bool{}}
	return p.folders[path]
}

func (p *plan) add(place collect.Place) {
	real := p.lead(place.Path, maxLinks)
	if real == "" || place.Depth == 0 {
		return
	}
	p.contents(real, place.Path, place.Depth)
}

// contents watches all names in a folder, and in the folders in it.
func (p *plan) contents(real, as string, depth int) {
	if p.isStored(real) {
		p.single[real] = true
		return
	}
	info, err := os.Stat(real)
	if err != nil || !info.IsDir() {
		return
	}
	f := p.folder(real)
	if f == nil {
		return
	}
	f.all = true
	if as != real && !slices.Contains(f.as, as) {
		f.as = append(f.as, as)
	}
	if depth <= 1 {
		return
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() && !(e.Type()&fs.ModeSymlink != 0 && mayBeFolder(e.Name())) {
			continue
		}
		if inner := p.lead(filepath.Join(real, e.Name()), maxLinks); inner != "" {
			p.contents(inner, filepath.Join(as, e.Name()), depth-1)
		}
	}
}

// mayBeFolder reports whether a link of this name may lead to a folder that counts: of a
// thousand links most are units.
func mayBeFolder(name string) bool {
	return slices.Contains([]string{"", ".d", ".wants", ".requires", ".upholds"}, filepath.Ext(name))
}

// lead watches each folder on the way to a path, and on the way to what links on it lead to.
// It returns the path without links; "" if it does not exist.
func (p *plan) lead(path string, links int) string {
	at := "/"
	for rest := strings.TrimPrefix(filepath.Clean(path), "/"); rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := filepath.Join(at, name)
		if p.isStored(next) { // it never changes, but it may be removed
			return p.stored(filepath.Join(next, rest))
		}
		known, has := p.real[next]
		if !has {
			known = p.step(at, name, links)
			p.real[next] = known
		}
		if known == "" {
			return ""
		}
		at = known
	}
	return at
}

func (p *plan) step(at, name string, links int) string {
	if f := p.folder(at); f != nil {
		f.names[name] = true
	}
	next := filepath.Join(at, name)
	info, err := os.Lstat(next)
	if err != nil {
		return ""
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return next
	}
	to, err := os.Readlink(next)
	if err != nil || links == 0 {
		return ""
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(at, to)
	}
	return p.lead(to, links-1)
}

func (p *plan) isStored(path string) bool {
	return p.store != "" && strings.HasPrefix(path, p.store+"/")
}

func (p *plan) stored(path string) string {
	if _, err := os.Lstat(path); err != nil {
		return ""
	}
	p.single[path] = true
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	if p.isStored(real) {
		p.single[real] = true
	}
	return real
}
