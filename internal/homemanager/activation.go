package homemanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Begun returns when the activation began that is running or was interrupted: the mtime of
// new-home, which exists only during an activation. It is zero without such an activation.
func Begun(roots []string) (time.Time, error) {
	for _, root := range roots {
		info, err := os.Lstat(filepath.Join(root, "new-home"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("look for a running activation: %w", err)
		}
		return info.ModTime().UTC(), nil
	}
	return time.Time{}, nil
}

// Backup is a file beside a declared file that looks like its backup.
type Backup struct {
	Path, Of  string
	Extension string // without the dot
}

// notBackups are suffixes of folders that have a meaning for systemd.
var notBackups = []string{"d", "wants", "requires", "upholds"}

// Backups lists files NAME.EXTENSION beside a declared file NAME, as an activation with a
// backup extension makes them.
func Backups(ctx context.Context, declared map[string]string) ([]Backup, error) {
	folders := map[string]bool{}
	for path := range declared {
		folders[filepath.Dir(path)] = true
	}
	backups := []Backup{}
	for folder := range folders {
		found, err := backupsIn(ctx, folder, declared)
		if err != nil {
			return nil, fmt.Errorf("look for leftover backups: %w", err)
		}
		backups = append(backups, found...)
	}
	slices.SortFunc(backups, func(a, b Backup) int { return strings.Compare(a.Path, b.Path) })
	return backups, nil
}

func backupsIn(ctx context.Context, folder string, declared map[string]string) ([]Backup, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []Backup
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if b, ok := backupOf(path, declared); ok {
			found = append(found, b)
		}
	}
	return found, nil
}

// backupOf finds the declared file of which a path may be a backup. An extension may contain
// dots.
func backupOf(path string, declared map[string]string) (Backup, bool) {
	if declared[path] != "" {
		return Backup{}, false
	}
	for i := len(path) - 1; path[i] != '/'; i-- {
		if path[i] != '.' || declared[path[:i]] == "" {
			continue
		}
		extension := path[i+1:]
		first, _, _ := strings.Cut(extension, ".")
		return Backup{path, path[:i], extension}, extension != "" && !slices.Contains(notBackups, first)
	}
	return Backup{}, false
}
