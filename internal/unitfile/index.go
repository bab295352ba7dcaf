package unitfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/times"
)

// Index is what is in the folders of a unit path, read once.
type Index struct {
	path    []string                           // search folders, highest priority first
	names   map[string][]string                // unit file name -> folders that hold it, by priority
	dropIns map[string]map[string]dropInFolder // folder name (foo.service.d) -> search folder -> what is in it
	links   map[string][]Link                  // unit name -> links that pull it in
	linked  map[string][]Link                  // folder name (foo.target.wants) -> links in it, by priority of the search folder
	changed map[string]time.Time               // folder -> its ctime
	named   map[string]string                  // folder after all links -> folder as searched
	denied  map[string]string                  // folder name -> a folder of that name which this account may not read
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

// Names lists every unit file name in the path, in order.
func (x *Index) Names() []string {
	names := make([]string, 0, len(x.names))
	for n := range x.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// In lists the unit file names in one folder of the path, in order.
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
	Masked bool   // systemd does not read it: one of the same name comes before it, or its folder is a relative link
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

// Instances lists the instances of templates that a link pulls in, sorted. They have no file of
// their own.
func (x *Index) Instances() []string {
	var names []string
	for name := range x.links {
		if Template(name) != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// LinkedBy lists the links in the folders of one kind that are read for a unit
// known by names, those of the highest priority first.
func (x *Index) LinkedBy(names []string, kind string) []Link {
	var links []Link
	for _, folder := range linkFolders(names, kind) {
		links = append(links, x.linked[folder]...)
	}
	return links
}

// Others lists the fragments and drop-ins of all units for which skip is false, and the links
// in their .upholds folders; sorted. A folder for a type or a prefix (service.d, web-.service.d)
// counts as that of a unit of this name.
func (x *Index) Others(skip func(unit string) bool) (files, upholds []string) {
	for name, folders := range x.names {
		if !skip(name) {
			for _, folder := range folders {
				files = append(files, filepath.Join(folder, name))
			}
		}
	}
	for folder, in := range x.dropIns {
		if !skip(strings.TrimSuffix(folder, ".d")) {
			for parent, found := range in {
				for _, name := range found.files {
					files = append(files, filepath.Join(parent, folder, name))
				}
			}
		}
	}
	for folder, links := range x.linked {
		if owner, ok := strings.CutSuffix(folder, ".upholds"); ok && !skip(owner) {
			for _, l := range links {
				upholds = append(upholds, l.Path)
			}
		}
	}
	slices.Sort(files)
	slices.Sort(upholds)
	return files, upholds
}

// Waiting returns a fragment or drop-in that is, or leads to, a named pipe, a device, or a file
// that is larger than any unit file; "" if there is none. The manager reads it when it loads the
// unit, however long that takes, and answers nobody meanwhile (seen on 252 and 257). What the
// distribution ships is not looked at.
func (x *Index) Waiting() string {
	files, _ := x.Others(func(string) bool { return false })
	return WaitingAt(files)
}

// WaitingAt is [Index.Waiting] for some paths.
func WaitingAt(files []string) string {
	for _, path := range files {
		if strings.HasPrefix(path, "/usr/") || strings.HasPrefix(path, "/lib/") {
			continue
		}
		info, err := os.Stat(path)
		if err == nil && (info.Size() > maxSize || isEndless(info)) {
			return path
		}
	}
	return ""
}

// isEndless reports whether the manager would read a pipe or a device. /dev/null masks.
func isEndless(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return info.Mode()&(fs.ModeNamedPipe|fs.ModeDevice) != 0 && !(err == nil && os.SameFile(info, null))
}

// LinksChanged returns when the folders that can hold a link of a unit known by
// names last changed, and the search folders that they are in. Folders of
// generators are left out: they are written during the load.
func (x *Index) LinksChanged(names []string) time.Time {
	var newest time.Time
	for _, p := range x.path {
		if strings.HasPrefix(filepath.Base(p), "generator") {
			continue
		}
		newest = times.Later(newest, x.changed[p])
		for _, kind := range linkKinds {
			for _, folder := range linkFolders(names, kind) {
				newest = times.Later(newest, x.changed[filepath.Join(p, folder)])
			}
		}
	}
	return newest
}

// linkFolders lists the names of the folders whose links are read for a unit
// known by names: the same ones as for drop-ins, with another suffix.
func linkFolders(names []string, kind string) []string {
	var folders []string
	for _, name := range names {
		_, suffix := Split(name)
		for _, folder := range append(dropInFolders(name), suffix+".d") {
			folder = strings.TrimSuffix(folder, "d") + kind
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
	}
	return folders
}

// Aliases are the names that the manager takes for another name of a unit, by that unit's
// name. Only those with a folder of links or drop-ins, or with a link that pulls them or an
// instance of them in, are among them: others do not matter to the unit.
type Aliases map[string][]string

// Of returns the other names of a unit. An instance has those of its template, too: each as
// an instance of the same name.
func (a Aliases) Of(unit string) []string {
	template := Template(unit)
	if template == "" {
		return a[unit]
	}
	names := slices.Clone(a[unit])
	for _, name := range a[template] {
		if IsTemplate(name) || name == Resolve(unit, Template(name)) {
			names = append(names, Resolve(unit, name))
		}
	}
	return names
}

// Aliases returns the aliases on disk.
func (x *Index) Aliases() Aliases {
	aliases, templates := Aliases{}, x.mentionedTemplates()
	for _, name := range x.Names() {
		if !x.isMentioned(name) && !templates[name] {
			continue
		}
		if of := x.AliasOf(name); of != "" {
			aliases[of] = append(aliases[of], name)
		}
	}
	return aliases
}

// mentionedTemplates returns the templates of which an instance is mentioned.
func (x *Index) mentionedTemplates() map[string]bool {
	found := map[string]bool{}
	for name := range x.links {
		found[Template(name)] = true
	}
	for folder := range x.dropIns {
		found[Template(strings.TrimSuffix(folder, ".d"))] = true
	}
	for folder := range x.linked {
		found[Template(strings.TrimSuffix(folder, filepath.Ext(folder)))] = true
	}
	delete(found, "")
	return found
}

// AliasOf returns the unit of which name is an alias on disk; "" if it is not an alias.
// An alias is a link, in the folder where the manager looks first, to a file of
// another name in a folder of the unit path (unit_file_resolve_symlink in systemd
// 252 and 257). An alias of an alias counts.
func (x *Index) AliasOf(name string) string {
	at := name
	for range maxHops {
		next := x.leadsTo(at)
		if next == "" {
			break
		}
		at = next
	}
	if at == name {
		return ""
	}
	return at
}

// leadsTo returns the other name that a name's link leads to; "" when it does not
// lead to one.
func (x *Index) leadsTo(name string) string {
	if len(x.names[name]) == 0 {
		return ""
	}
	folder := x.names[name][0]
	to, err := os.Readlink(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(to) {
		to = folder + "/" + to
	}
	folder, base := cutName(to)
	if base == name || !Valid(base) || !x.isSearched(folder) {
		return ""
	}
	return base
}

// isSearched reports whether a folder is one of the unit path, or below one.
func (x *Index) isSearched(folder string) bool {
	plain := filepath.Clean(folder)
	real, err := filepath.EvalSymlinks(folder)
	return slices.ContainsFunc(x.path, func(p string) bool {
		return plain == p || below(plain, p) || err == nil && (x.named[real] == p || below(real, p))
	})
}

// HasOwnLinks reports whether a unit other than a target pulls in another one by a link.
func (x *Index) HasOwnLinks() bool {
	for folder, links := range x.linked {
		if of, _ := Split(folder); !strings.HasSuffix(of, ".target") && len(links) > 0 {
			return true
		}
	}
	return false
}

// isMentioned reports whether there is a folder of drop-ins or links that is read
// for the name, or a link that pulls it in.
func (x *Index) isMentioned(name string) bool {
	if len(x.links[name]) > 0 {
		return true
	}
	return slices.ContainsFunc(dropInFolders(name), func(folder string) bool {
		stem := strings.TrimSuffix(folder, "d")
		return len(x.dropIns[folder]) > 0 || slices.ContainsFunc(linkKinds, func(kind string) bool { return len(x.linked[stem+kind]) > 0 })
	})
}

// Denied returns a folder of drop-ins or links that is read for a unit known by names, and
// that this account may not read; "" if there is none. What is in it is not known.
func (x *Index) Denied(names []string) string {
	for _, name := range names {
		_, kind := Split(name)
		folders := append(dropInFolders(name), kind+".d")
		for _, link := range linkKinds {
			folders = append(folders, linkFolders([]string{name}, link)...)
		}
		for _, folder := range folders {
			if path := x.denied[folder]; path != "" {
				return path
			}
		}
	}
	return ""
}

// Changed returns when each folder that was read last changed: those of the unit
// path, and those of drop-ins and links in them.
func (x *Index) Changed() map[string]time.Time { return x.changed }
