package collect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"stackpolicy/internal/unitfile"
)

// quadletFolders lists where podman's generator looks for quadlets and their drop-ins, in its
// order (podman-systemd.unit(5)).
func (e Environment) quadletFolders() []string {
	admin := filepath.Join(e.Root, "/etc/containers/systemd/users")
	return []string{filepath.Join(e.RuntimeDir, "containers", "systemd"), e.QuadletDir(), admin, filepath.Join(admin, strconv.Itoa(e.UID))}
}

// quadletDropIns are the drop-ins of quadlets on disk.
type quadletDropIns struct {
	folders []string            // that podman searches, in its order
	seen    map[string]bool     // the same without links
	files   map[string][]string // folder of drop-ins -> the names in it that end in .conf
}

// readQuadletDropIns reads the folders and those in them: podman applies the drop-ins in each
// of them to the quadlets of all (measured with 5.4).
func readQuadletDropIns(folders []string) (quadletDropIns, error) {
	d := quadletDropIns{seen: map[string]bool{}, files: map[string][]string{}}
	for _, folder := range folders {
		if err := d.read(folder, 0); err != nil {
			return d, fmt.Errorf("list the drop-ins of quadlets: %w", err)
		}
	}
	return d, nil
}

func (d *quadletDropIns) read(folder string, depth int) error {
	real, err := filepath.EvalSymlinks(folder)
	switch {
	case err != nil:
		return nil // it is not there, or not readable by this account, which runs podman's generator too
	case d.seen[real]:
		return nil
	case len(d.seen) == maxSources:
		return tooManyFolders(folder)
	}
	d.seen[real] = true
	names, err := unitfile.Entries(folder, maxSources)
	if err != nil {
		return err
	}
	d.folders = append(d.folders, folder)
	if strings.HasSuffix(folder, ".d") {
		d.files[folder] = slices.DeleteFunc(slices.Clone(names), func(f string) bool { return filepath.Ext(f) != ".conf" })
	}
	for _, name := range names {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err != nil || !info.IsDir() || depth == maxDepth {
			continue
		}
		if err := d.read(path, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// of returns the files that alter a quadlet. In a folder that is searched those of the most
// specific name come first. A file, also a link to /dev/null, replaces later ones of its name.
func (d quadletDropIns) of(source string) []unitfile.DropIn {
	var found []unitfile.DropIn
	taken := map[string]bool{}
	for _, folder := range d.folders {
		for _, name := range unitfile.QuadletDropIns(filepath.Base(source)) {
			for _, file := range d.files[filepath.Join(folder, name)] {
				found = append(found, unitfile.DropIn{Path: filepath.Join(folder, name, file), Masked: taken[file]})
				taken[file] = true
			}
		}
	}
	return found
}
