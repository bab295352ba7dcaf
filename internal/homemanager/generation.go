// Package homemanager reads Home Manager's files on disk: the current generation, the files
// that it declares, and the traces of an activation. It runs nothing and writes nothing.
//
// Start at [Current].
package homemanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Bounds on a generation's unit folders.
const (
	maxFiles      = 200_000
	linkedFolders = 4 // one inside another
)

// Generation is the activated generation.
type Generation struct {
	Path    string    // /nix/store/H-home-manager-generation
	Files   string    // /nix/store/H-home-manager-files, which the links point into
	Store   string    // /nix/store, wherever it is here
	Written time.Time // when current-home was written: the last act of an activation
}

// Roots are the folders that may hold current-home and new-home, as Home
// Manager's activation-init.sh has them: the user's own, then the one of older
// releases.
func Roots(stateHome, user string) []string {
	return []string{
		filepath.Join(stateHome, "home-manager", "gcroots"),
		filepath.Join("/nix/var/nix/gcroots/per-user", user),
	}
}

// Current reads the generation that current-home names, in the first of roots that has it. It
// returns nil without an error if Home Manager is not used.
func Current(roots []string) (*Generation, error) {
	for _, root := range roots {
		link := filepath.Join(root, "current-home")
		info, err := os.Lstat(link)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the current generation: %w", err)
		}
		return read(link, info.ModTime())
	}
	return nil, nil
}

func read(link string, written time.Time) (*Generation, error) {
	path, err := filepath.EvalSymlinks(link)
	if err != nil {
		return nil, fmt.Errorf("resolve the current generation: %w", err)
	}
	files, err := filepath.EvalSymlinks(filepath.Join(path, "home-files"))
	if err != nil {
		return nil, fmt.Errorf("resolve the current generation's files: %w", err)
	}
	return &Generation{Path: path, Files: files, Store: filepath.Dir(files), Written: written.UTC()}, nil
}

// Owns reports whether Home Manager considers a link its own, of any generation: its first
// hop is a file of some home-manager-files in the store.
func (g *Generation) Owns(firstHop string) bool {
	rest, ok := strings.CutPrefix(firstHop, g.Store+"/")
	name, below, _ := strings.Cut(rest, "/")
	return ok && below != "" && strings.HasSuffix(name, "-home-manager-files")
}

// IsOf reports whether it is the generation at this path, or one of its specialisations,
// which are links in it.
func (g *Generation) IsOf(path string) bool {
	others, _ := filepath.Glob(filepath.Join(path, "specialisation", "*")) // a path of the store has no pattern
	for _, other := range append(others, path) {
		if resolved, err := filepath.EvalSymlinks(other); err == nil && resolved == g.Path {
			return true
		}
	}
	return path == g.Path
}

// IsCurrent reports whether a link's first hop is a file of this generation.
func (g *Generation) IsCurrent(firstHop string) bool {
	return strings.HasPrefix(firstHop, g.Files+"/")
}

// Declared lists what the generation declares below a folder of the home, by
// the path it has in the home; the value is what the link there must point to.
// A folder that is itself declared as one link counts by the files in it: the
// whole unit folder can be one, with a folder of drop-ins in it another.
func (g *Generation) Declared(ctx context.Context, home, folder string) (map[string]string, error) {
	declared := map[string]string{}
	rel, err := filepath.Rel(home, folder)
	if err != nil || !filepath.IsLocal(rel) {
		return declared, nil // Home Manager links nothing outside the home
	}
	err = walk(ctx, filepath.Join(g.Files, rel), ".", linkedFolders, func(path, below string) error {
		if len(declared) == maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		declared[filepath.Join(folder, below)] = path
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the generation's files: %w", err)
	}
	return declared, nil
}

// Ahead lists the links below a folder of the home that belong to another
// generation and were made after the current one was activated: an activation
// that did not reach its end leaves such.
func (g *Generation) Ahead(ctx context.Context, folder string) ([]string, error) {
	ahead := []string{}
	err := walk(ctx, folder, ".", 0, func(path, _ string) error {
		hop, err := os.Readlink(path)
		hop = filepath.Clean(hop)
		if err != nil || !g.Owns(hop) || g.IsCurrent(hop) {
			return nil // no link, or vanished: the unit files' own facts say so
		}
		info, err := os.Lstat(path)
		if err == nil && !info.ModTime().Before(g.Written) {
			ahead = append(ahead, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for links of another generation: %w", err)
	}
	return ahead, nil
}

// Pending returns the generation that all the links belong to, as an activation
// that stopped half-way leaves them: only its Files and Store are known. It is nil
// if they belong to several generations, or to none.
func (g *Generation) Pending(links []string) *Generation {
	files := ""
	for _, link := range links {
		hop, err := os.Readlink(link)
		rest, inStore := strings.CutPrefix(filepath.Clean(hop), g.Store+"/")
		name, _, _ := strings.Cut(rest, "/")
		dir := filepath.Join(g.Store, name)
		if err != nil || !inStore || files != "" && files != dir {
			return nil
		}
		files = dir
	}
	if files == "" {
		return nil
	}
	return &Generation{Files: files, Store: g.Store}
}

// walk visits every leaf below path in order, and goes through as many linked
// folders on the way to one as links says.
func walk(ctx context.Context, path, below string, links int, visit func(path, below string) error) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return walkFrom(ctx, path, below, info.Mode().Type(), links, visit)
}

// walkFrom gets the type of path from its caller, which has it from the folder's listing.
func walkFrom(ctx context.Context, path, below string, kind fs.FileMode, links int, visit func(path, below string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if kind == fs.ModeSymlink && links > 0 {
		if to, err := os.Stat(path); err == nil && to.IsDir() {
			kind, links = fs.ModeDir, links-1
		}
	}
	if kind != fs.ModeDir {
		return visit(path, below)
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		err := walkFrom(ctx, filepath.Join(path, e.Name()), filepath.Join(below, e.Name()), e.Type(), links, visit)
		if err != nil {
			return err
		}
	}
	return nil
}
