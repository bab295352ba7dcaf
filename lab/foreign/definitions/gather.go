package definitions

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Bounds on a folder of somebody else's files.
const (
	maxFiles = 20_000
	maxFile  = 1 << 20 // bytes
	maxWalk  = 200_000 // entries
)

var (
	quadletKinds = []string{"container", "kube", "volume", "network", "pod", "image", "build", "artifact"}
	unitKinds    = []string{"service", "socket", "timer", "path", "target", "slice", "mount", "automount", "swap"}
	linkKinds    = []string{"wants", "requires", "upholds"}
)

// File is a quadlet, a unit file, a drop-in, or a link that pulls in a unit.
type File struct {
	Path string // in its group's folder: web.container, web.container.d/1.conf, a.target.wants/b.service
	Text string
	Link string // where a link leads that is kept as one
}

// Group is the files of one folder, which belong together.
type Group struct {
	Name  string // the folder's path in the whole; "." is the top
	Files []File
}

// LeftOut is a file that is not put before anybody.
type LeftOut struct{ Path, Why string }

// kind is the extension of the definition that a file makes or alters.
func (f File) kind() string {
	name := f.Path
	if dir := path.Dir(f.Path); dir != "." {
		name = strings.TrimSuffix(dir, path.Ext(dir))
	}
	if !strings.Contains(name, ".") { // container.d is for all containers
		return name
	}
	return strings.TrimPrefix(path.Ext(name), ".")
}

func (f File) isQuadlet() bool { return slices.Contains(quadletKinds, f.kind()) }

// isDefinition reports whether the file itself is to become a unit.
func (f File) isDefinition() bool { return path.Dir(f.Path) == "." }

// gather reads the quadlets and unit files below a folder, in groups by their folders. It
// follows links to files in the folder only, and reads nothing but regular files.
func gather(dir string) (groups []Group, left []LeftOut, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	g := gatherer{root: root, groups: map[string][]File{}}
	if err := fs.WalkDir(root.FS(), ".", g.visit); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", dir, err)
	}
	for name, files := range g.groups {
		groups = append(groups, Group{name, files})
	}
	slices.SortFunc(groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return groups, g.left, nil
}

type gatherer struct {
	root          *os.Root
	groups        map[string][]File // by folder
	left          []LeftOut
	seen, entries int
}

func (g *gatherer) visit(name string, entry fs.DirEntry, err error) error {
	if g.entries++; g.entries > maxWalk {
		return fmt.Errorf("more than %d entries", maxWalk)
	}
	switch {
	case err != nil:
		g.left = append(g.left, LeftOut{name, err.Error()})
		return nil
	case entry.IsDir() && entry.Name() == ".git":
		return fs.SkipDir
	case entry.IsDir():
		return nil
	}
	folder, file := place(name)
	if !slices.Contains(slices.Concat(quadletKinds, unitKinds), file.kind()) {
		return nil
	}
	if g.seen++; g.seen > maxFiles {
		return fmt.Errorf("more than %d quadlets and unit files", maxFiles)
	}
	if file.Text, file.Link, err = g.read(name, entry); err != nil {
		g.left = append(g.left, LeftOut{name, err.Error()})
		return nil
	}
	g.groups[folder] = append(g.groups[folder], file)
	return nil
}

// place splits the path of a file into its group's folder and the rest.
func place(name string) (folder string, file File) {
	folder, base := path.Dir(name), path.Base(name)
	kind := strings.TrimPrefix(path.Ext(folder), ".")
	isDropIn := kind == "d" && path.Ext(base) == ".conf"
	if isDropIn || slices.Contains(linkKinds, kind) {
		return path.Dir(folder), File{Path: path.Join(path.Base(folder), base)}
	}
	return folder, File{Path: base}
}

// startsItself finds what makes the manager start a unit at a reload.
var startsItself = regexp.MustCompile(`(?i)uph[eo]ld`)

func (g *gatherer) read(name string, entry fs.DirEntry) (text, link string, err error) {
	if startsItself.MatchString(name) {
		return "", "", errors.New("it would start something at a reload (Upholds=)")
	}
	if entry.Type()&fs.ModeSymlink != 0 {
		if link, err = g.root.Readlink(filepath.FromSlash(name)); err != nil {
			return "", "", err
		}
		isPull := slices.Contains(linkKinds, strings.TrimPrefix(path.Ext(path.Dir(name)), "."))
		switch {
		case link == os.DevNull, path.Base(link) == link: // a mask; another name of a unit
			return "", link, nil
		case isPull: // only the name counts
			return "", "../" + path.Base(link), nil
		}
	}
	info, err := g.root.Stat(filepath.FromSlash(name))
	if err != nil {
		return "", "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", "", fmt.Errorf("no regular file of at most %d bytes", maxFile)
	}
	f, err := g.root.Open(filepath.FromSlash(name))
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if startsItself.Match(data) {
		return "", "", errors.New("it would start something at a reload (Upholds=)")
	}
	return string(data), "", err
}

// leaveOut removes what would change the lab's own manager: files of the distribution's
// units, and drop-ins and links of units that are not in the folder.
func (l *Lab) leaveOut(groups []Group) (left []LeftOut) {
	for i, g := range groups {
		groups[i].Files = slices.DeleteFunc(slices.Clone(g.Files), func(f File) bool {
			owner := f.Path
			if !f.isDefinition() {
				owner = strings.TrimSuffix(path.Dir(f.Path), path.Ext(path.Dir(f.Path)))
			}
			_, err := os.Lstat(l.scene.Path("/usr/lib/systemd/user/" + owner))
			isLab := !f.isQuadlet() && (err == nil || !strings.Contains(owner, ".") || strings.HasPrefix(owner, "stackpolicy-audit."))
			if isLab {
				left = append(left, LeftOut{path.Join(g.Name, f.Path), "it would change the lab's own units"})
			}
			return isLab
		})
	}
	return left
}
