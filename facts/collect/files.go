package collect

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/facts/drift"
	"stackpolicy/internal/accounts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// collectFiles fills each unit's files, how they differ from what is loaded, and what a
// reload would do; and what a reload reads besides unit files.
func collectFiles(ctx context.Context, r *run) (func(), error) {
	w, err := newWalker(r)
	if err != nil {
		return nil, err
	}
	units := slices.Clone(r.doc.Units)
	if err := inParallel(ctx, len(units), func(i int) error { return w.unit(&units[i]) }); err != nil {
		return nil, err
	}
	files, err := w.managerFiles()
	if err != nil {
		return nil, err
	}
	return func() { r.doc.Units, r.doc.ManagerFiles = units, files }, nil
}

// walker collects the files of all units, several units at the same time: its fields do not
// change, or have a lock.
type walker struct {
	*run
	folders    map[string][]string        // folder -> the declared paths in it, in order
	pulls      map[string][]unitfile.Link // see declaredLinks
	owners     *owners
	privateGID int // of the user's private group, or -1
	manager    *drift.Manager
	ownLinked  bool // a unit other than a target pulls in another one by a link
}

func newWalker(r *run) (*walker, error) {
	folders := byFolder(r.declared)
	m := &drift.Manager{LoadedAt: r.doc.Manager.LoadedAt, Now: r.doc.CollectedAt, Loaded: map[string]bool{}}
	for name, l := range r.listed {
		m.Loaded[name] = l.LoadState == "loaded"
	}
	private, err := accounts.PrivateGroup(r.env.EtcDir, r.env.Name)
	return &walker{
		run: r, folders: folders, pulls: declaredLinks(r.env.UnitDir(), folders), manager: m,
		owners: newOwners(r.index, r.looks), privateGID: private, ownLinked: r.index.HasOwnLinks(),
	}, err
}

// unit fills the files of one unit.
func (w *walker) unit(u *facts.Unit) error {
	_, inMemory := w.listed[u.Name]
	d := drift.Unit{Loaded: w.loaded[u.Name], JustRead: !inMemory, Manager: w.manager}
	for _, c := range w.candidates(*u, d.Loaded) {
		f, err := w.describe(*u, c)
		if err != nil {
			return fmt.Errorf("files of %q: %w", u.Name, err)
		}
		d.Files = append(d.Files, drift.File{File: f, Hidden: c.hidden})
	}
	d.Mark(knownLoad(*u))
	if err := w.compare(u, &d); err != nil {
		return fmt.Errorf("compare %q with its files: %w", u.Name, err)
	}
	for _, f := range d.Files {
		u.Files = append(u.Files, f.File)
	}
	return nil
}

// compare fills the differences to the loaded unit, and what a reload would do.
func (w *walker) compare(u *facts.Unit, d *drift.Unit) error {
	if u.Loaded == nil {
		return nil
	}
	difference, err := d.Compare(unitfile.Read, w.specifiers(u.Name), w.owners)
	if err != nil {
		return err
	}
	loaded := *u.Loaded // a copy: this one belongs to the systemd collector
	loaded.Differs, loaded.LinksUnread, loaded.LinksGone = difference.Settings, difference.LinksUnread, difference.LinksGone
	loaded.Pulls = difference.Pulls
	for i, pull := range loaded.Pulls {
		loaded.Pulls[i].ActiveState = w.listed[pull.Unit].ActiveState
	}
	reload := d.Reload()
	u.Loaded, u.Reload = &loaded, &reload
	return nil
}

func knownLoad(u facts.Unit) *facts.Load {
	if u.History == nil {
		return nil
	}
	return u.History.Load
}

// candidate is a path that can define or alter a unit.
type candidate struct {
	path, role string
	of         string // for links: the other unit
	hidden     bool   // systemd ignores it
}

// candidates lists the paths of one unit in the order in which systemd reads them. Paths
// that are declared or loaded but not on disk are the last of their role.
func (w *walker) candidates(u facts.Unit, loaded systemd.Unit) []candidate {
	var all []candidate
	expected := "" // an instance is defined by its template
	if u.IsManaged() && !u.Quadlet && unitfile.Template(u.Name) == "" {
		expected = filepath.Join(w.env.UnitDir(), u.Name)
	}
	for _, p := range drift.Fragments(w.index.Fragments(u.Name), expected, loaded.FragmentPath) {
		all = append(all, candidate{path: p, role: facts.RoleFragment})
	}
	declared := w.folders[filepath.Join(w.env.UnitDir(), u.Name+".d")]
	known := w.names(u.Name, loaded)
	for _, d := range drift.DropIns(w.index.DropIns(known), loaded.DropInPaths, declared) {
		all = append(all, candidate{path: d.Path, role: facts.RoleDropIn, hidden: d.Masked})
	}
	all = append(all, w.sources(u, loaded.SourcePath)...)
	var links []unitfile.Link
	for _, kind := range []string{"wants", "requires", "upholds"} {
		links = append(links, w.pulls[u.Name+"\x00"+kind]...)
	}
	onDisk := w.index.Links(u.Name)
	for _, alias := range w.owners.aliases()[u.Name] {
		onDisk = slices.Concat(onDisk, w.index.Links(alias))
	}
	for _, l := range drift.Links(onDisk, links) {
		all = append(all, candidate{path: l.Path, role: l.Kind, of: l.Of})
	}
	return append(all, w.ownLinks(u, known)...)
}

// names are the unit's own name and those it is also known by: as loaded, and on
// disk, where a reload finds them.
func (w *walker) names(unit string, loaded systemd.Unit) []string {
	all := []string{unit}
	for _, also := range slices.Concat(loaded.Names, w.owners.aliases()[unit]) {
		if !slices.Contains(all, also) {
			all = append(all, also)
		}
	}
	return all
}

// ownLinks lists the links by which a managed unit pulls in others. To be pulled at
// is what targets are for: theirs are left out.
func (w *walker) ownLinks(u facts.Unit, names []string) []candidate {
	if !w.ownLinked || !u.IsManaged() || strings.HasSuffix(u.Name, ".target") {
		return nil
	}
	var all []candidate
	for _, kind := range []string{"wants", "requires", "upholds"} {
		for _, l := range w.index.LinkedBy(names, kind) {
			of := unitfile.Resolve(u.Name, filepath.Base(l.Path))
			all = append(all, candidate{path: l.Path, role: "own-" + kind, of: of})
		}
	}
	return all
}

// sources lists the files that a quadlet is generated from, each with its drop-ins.
func (w *walker) sources(u facts.Unit, loaded string) []candidate {
	if !u.Quadlet {
		return nil
	}
	declared := []string{}
	for path, unit := range w.quadlets {
		if unit == u.Name {
			declared = append(declared, path)
		}
	}
	slices.Sort(declared)
	var all []candidate
	for _, source := range drift.Sources(declared, loaded) {
		all = append(all, candidate{path: source, role: facts.RoleSource})
		onDisk, _ := filepath.Glob(escapeGlob(source) + ".d/*.conf") // only a malformed pattern is an error
		paths := append(onDisk, w.folders[source+".d"]...)
		slices.Sort(paths)
		for _, p := range slices.Compact(paths) {
			all = append(all, candidate{path: p, role: facts.RoleSourceDropIn})
		}
	}
	return all
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// describe returns what is at a path, and its state compared to the declaration.
func (w *walker) describe(u facts.Unit, c candidate) (facts.File, error) {
	f, err := w.looks.at(c.path)
	if err != nil {
		return facts.File{}, err
	}
	out := facts.File{
		Path: c.path, Role: c.role, Of: c.of, Origin: w.origin(c.path), Kind: f.Kind, FirstHop: f.FirstHop, Target: f.Target,
		UID: f.UID, Digest: f.Digest, DeclaredTarget: w.declared[c.path],
		LinkMtime: timeOrNil(f.LinkMtime), Mtime: timeOrNil(f.Mtime), ChangedAt: timeOrNil(f.Changed),
	}
	if f.Target != "" {
		out.Mode = fmt.Sprintf("%04o", f.Mode&fs.ModePerm)
	}
	out.State, err = w.state(u, f, out)
	return out, err
}

// specifiers returns the specifiers whose values are certain.
func (w *walker) specifiers(unit string) unitfile.Specifiers {
	spec := unitfile.NameSpecifiers(unit)
	spec['h'], spec['t'], spec['u'], spec['U'] = w.env.Home, w.env.RuntimeDir, w.env.Name, strconv.Itoa(w.env.UID)
	spec['E'] = w.env.ConfigHome // not %S: it is ConfigHome too before systemd 254
	return spec
}

func (r *run) store() string {
	if r.generation == nil {
		return "/nix/store"
	}
	return r.generation.Store
}
