package collect

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// recheckSlack is one tick of the clock that the kernel stamps files with.
const recheckSlack = 10 * time.Millisecond

// Unchanged checks again, as fast as possible, all files that a reload reads. It returns an
// error that names the file that has changed since doc was collected. It looks at
// the times of files and folders and at names, at no content.
func Unchanged(ctx context.Context, env Environment, doc *facts.Document) error {
	index, err := unitfile.ReadIndex(ctx, doc.Manager.UnitPath)
	if err != nil {
		return err
	}
	r := recheck{doc: doc, since: doc.CollectedAt.Add(-recheckSlack), store: "/nix/store"}
	if doc.Declared.FilesDir != "" {
		r.store = filepath.Dir(doc.Declared.FilesDir)
	}
	path := r.changedFolder(index, env)
	if path == "" {
		path = r.changedFile(index)
	}
	if path != "" {
		return fmt.Errorf("%s changed after the facts were collected; the next audit tries again", path)
	}
	return nil
}

// recheck compares what is there with a document.
type recheck struct {
	doc   *facts.Document
	since time.Time
	store string
}

// changedFolder returns a folder that changed; "" without one. systemd itself writes
// into its folder of transient units, at any time.
func (r recheck) changedFolder(index *unitfile.Index, env Environment) string {
	for folder, at := range index.Changed() {
		isTransient := filepath.Base(folder) == "transient" || filepath.Base(filepath.Dir(folder)) == "transient"
		if !isTransient && at.After(r.since) {
			return folder
		}
	}
	quadlets, err := readQuadletDropIns(env.quadletFolders())
	if err != nil {
		return env.QuadletDir()
	}
	folders := quadlets.folders
	for _, p := range env.managerPlaces() {
		if p.isUser {
			folders = append(folders, p.folder)
		}
	}
	for _, folder := range folders {
		if info, err := os.Stat(folder); err == nil && changeTime(info).After(r.since) {
			return folder
		}
	}
	return ""
}

// changedFile returns a file that changed, or a new one that would define or alter a
// managed unit; "" without one.
func (r recheck) changedFile(index *unitfile.Index) string {
	for _, u := range r.doc.Units {
		if !u.IsManaged() {
			continue
		}
		known := make([]string, 0, len(u.Files))
		for _, f := range u.Files {
			if known = append(known, f.Path); r.isChanged(f.Path) {
				return f.Path
			}
		}
		found := index.Fragments(u.Name)
		for _, d := range index.DropIns([]string{u.Name}) {
			found = append(found, d.Path)
		}
		for _, path := range found {
			if !slices.Contains(known, path) {
				return path
			}
		}
	}
	if r.doc.ManagerFiles == nil {
		return ""
	}
	for _, f := range r.doc.ManagerFiles.Files {
		if r.isChanged(f.Path) {
			return f.Path
		}
	}
	return ""
}

func (r recheck) isChanged(path string) bool { return unitfile.ChangedAt(path, r.store).After(r.since) }
