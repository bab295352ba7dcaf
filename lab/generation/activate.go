package generation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Activation says how to activate a generation.
type Activation struct {
	// UID and GID are the owner of the files that are written to the home.
	UID, GID int
	// Relink also recreates links that are already right, as Home Manager did
	// before August 2026.
	Relink bool
	// Force holds path prefixes, relative to the home. An existing file below
	// them is replaced and is no collision.
	Force []string
	// BackupExtension renames an existing file or folder to NAME.EXTENSION; ""
	// makes no backups.
	BackupExtension string
	// StateHome is the account's $XDG_STATE_HOME; "" is ~/.local/state.
	StateHome string
}

// CollisionError names the files that are in the way. Nothing was written.
type CollisionError struct {
	// Paths are absolute, sorted.
	Paths []string
}

func (e *CollisionError) Error() string {
	return "would be clobbered: " + strings.Join(e.Paths, ", ")
}

// Activate links the generation into a home. It checks for collisions, removes the links
// that only the previous generation has, makes the new links, and then sets current-home.
// The error is a *CollisionError if there are collisions. After any other error the home
// may have links of both generations.
func (b Built) Activate(home string, options Activation) error {
	a := &activation{Built: b, Activation: options, home: home}
	if err := a.begin(); err != nil {
		return a.end(err)
	}
	if err := a.link(); err != nil {
		return a.end(err)
	}
	return a.end(a.setRoot("current-home"))
}

// ActivateHalf stops where a crash or a power failure may stop Activate: all links are
// made, current-home is still that of the previous generation, and new-home exists.
func (b Built) ActivateHalf(home string, options Activation) error {
	a := &activation{Built: b, Activation: options, home: home}
	if err := a.begin(); err != nil {
		return a.end(err)
	}
	if err := a.link(); err != nil {
		return fmt.Errorf("activate a generation: %w", err)
	}
	return nil
}

// activation is one run of Home Manager's activation script.
type activation struct {
	Built
	Activation
	home string
}

// begin writes new-home and checks for collisions.
func (a *activation) begin() error {
	if err := a.setRoot("new-home"); err != nil {
		return err
	}
	return a.check()
}

// end removes new-home, whatever happened.
func (a *activation) end(err error) error {
	err = errors.Join(err, os.Remove(filepath.Join(a.roots(), "new-home")))
	if err != nil {
		return fmt.Errorf("activate a generation: %w", err)
	}
	return nil
}

// roots returns the folder that contains current-home.
func (a *activation) roots() string {
	state := a.StateHome
	if state == "" {
		state = filepath.Join(a.home, ".local", "state")
	}
	return filepath.Join(state, "home-manager", "gcroots")
}

func (a *activation) setRoot(name string) error {
	root := filepath.Join(a.roots(), name)
	if err := a.makeFolder(filepath.Dir(root)); err != nil {
		return err
	}
	return a.replaceLink(a.Path, root)
}

func (a *activation) paths() []string { return slices.Sorted(maps.Keys(a.Sources)) }

// check does what check-link-targets.sh does.
func (a *activation) check() error {
	var clobbered []string
	for _, rel := range a.paths() {
		if collision := a.collision(rel); collision != "" {
			clobbered = append(clobbered, collision)
		}
	}
	if len(clobbered) > 0 {
		return &CollisionError{Paths: clobbered}
	}
	return nil
}

// collision returns the file that activation would destroy, or "".
func (a *activation) collision(rel string) string {
	target := filepath.Join(a.home, rel)
	if a.forced(rel) || !exists(target) || a.owns(target) || a.sameContent(rel) {
		return "" // Home Manager treats a dangling link as missing, whoever made it
	}
	if isLink(target) || a.BackupExtension == "" {
		return target
	}
	if backup := target + "." + a.BackupExtension; exists(backup) {
		return backup
	}
	return ""
}

func (a *activation) forced(rel string) bool {
	return slices.ContainsFunc(a.Force, func(prefix string) bool { return strings.HasPrefix(rel, prefix) })
}

// owns reports whether a path is a link into any Home Manager generation. Only the first
// link on the way counts.
func (a *activation) owns(name string) bool {
	target, err := os.Readlink(name)
	if err != nil {
		return false
	}
	owned, err := filepath.Match(filepath.Join(a.Store, "*-home-manager-files"), firstBelow(a.Store, target))
	return err == nil && owned
}

// firstBelow returns the part of path up to the first name below dir.
func firstBelow(folder, name string) string {
	below, found := strings.CutPrefix(name, folder+"/")
	if !found {
		return ""
	}
	first, _, _ := strings.Cut(below, "/")
	return filepath.Join(folder, first)
}

// sameContent reports whether a file already has the declared content. What is no regular file
// or very large has not: it may have no end.
func (a *activation) sameContent(rel string) bool {
	info, err := os.Stat(filepath.Join(a.home, rel))
	if err != nil || !info.Mode().IsRegular() || info.Size() > 16<<20 {
		return false
	}
	have, err := os.ReadFile(filepath.Join(a.home, rel))
	if err != nil {
		return false
	}
	want, err := os.ReadFile(filepath.Join(a.HomeFiles, rel))
	return err == nil && bytes.Equal(have, want)
}

// link does what cleanOldGen and linkNewGen do. It removes the links that only the
// previous generation has before it makes new ones.
func (a *activation) link() error {
	if err := a.clean(); err != nil {
		return err
	}
	for _, rel := range a.paths() {
		if err := a.linkOne(rel); err != nil {
			return err
		}
	}
	return nil
}

func (a *activation) clean() error {
	old, err := filepath.EvalSymlinks(filepath.Join(a.roots(), "current-home", "home-files"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the previous generation: %w", err)
	}
	return filepath.WalkDir(old, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(old, name)
		if err != nil {
			return err
		}
		return a.cleanOne(rel)
	})
}

func (a *activation) cleanOne(rel string) error {
	target := filepath.Join(a.home, rel)
	if exists(filepath.Join(a.HomeFiles, rel)) || !a.owns(target) {
		return nil
	}
	if err := os.Remove(target); err != nil {
		return err
	}
	for folder := path.Dir(rel); folder != "."; folder = path.Dir(folder) {
		if os.Remove(filepath.Join(a.home, folder)) != nil {
			break // not empty
		}
	}
	return nil
}

func (a *activation) linkOne(rel string) error {
	source, target := filepath.Join(a.HomeFiles, rel), filepath.Join(a.home, rel)
	if current, err := os.Readlink(target); err == nil && current == source && !a.Relink {
		return nil
	}
	if exists(target) && !isLink(target) {
		if err := a.backUp(target); err != nil {
			return err
		}
		if a.sameContent(rel) {
			return nil // a regular file is kept
		}
	}
	if err := a.makeFolder(filepath.Dir(target)); err != nil {
		return err
	}
	return a.replaceLink(source, target)
}

func (a *activation) backUp(target string) error {
	if a.BackupExtension == "" {
		return nil
	}
	return os.Rename(target, target+"."+a.BackupExtension)
}

// makeFolder makes a folder and its parents. They belong to the account.
func (a *activation) makeFolder(dir string) error {
	if exists(dir) {
		return nil
	}
	if err := a.makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Lchown(dir, a.UID, a.GID)
}

// replaceLink makes a link that belongs to the account. It replaces an existing file
// atomically, as `ln -f` does, and fails if there is a folder.
func (a *activation) replaceLink(target, name string) error {
	unfinished := name + ".unfinished"
	if err := os.Symlink(target, unfinished); err != nil {
		return err
	}
	err := os.Lchown(unfinished, a.UID, a.GID)
	if err == nil {
		err = os.Rename(unfinished, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(unfinished))
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
