package collect

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// clockSlack: the kernel stamps a change with a clock that lags by up to one
// tick, so a change just after a load may carry a time just before it.
const clockSlack = 10 * time.Millisecond

// collectFiles fills each unit's files, what of them is not loaded as it is,
// and what a reload would do.
func collectFiles(ctx context.Context, r *run) (func(), error) {
	if err := r.needs("home-manager", "systemd", "index"); err != nil {
		return nil, err
	}
	w := newWalker(r)
	units := slices.Clone(r.doc.Units)
	if err := inParallel(ctx, len(units), func(i int) error { return w.unit(&units[i]) }); err != nil {
		return nil, err
	}
	return func() { r.doc.Units = units }, nil
}

// walker looks at the files of all units, of several at once: what it holds
// does not change, or has a lock.
type walker struct {
	*run
	folders  map[string][]string        // folder -> what is declared to stand right in it, in order
	pulls    map[string][]unitfile.Link // see declaredLinks
	lock     sync.Mutex
	mentions map[string][]string // unit -> the units its own settings pull in
}

func newWalker(r *run) *walker {
	folders := byFolder(r.declared)
	return &walker{
		run: r, folders: folders, pulls: declaredLinks(r.env.UnitDir(), folders), mentions: map[string][]string{},
	}
}

func (w *walker) unit(u *facts.Unit) error {
	v := view{walker: w, unit: u, loaded: w.loaded[u.Name]}
	_, inMemory := w.listed[u.Name]
	v.justRead = !inMemory
	for _, step := range []func() error{v.fragments, v.dropIns, v.sources, v.links} {
		if err := step(); err != nil {
			return fmt.Errorf("files of %q: %w", u.Name, err)
		}
	}
	u.Files = v.files
	if u.Loaded == nil {
		return nil
	}
	loaded := *u.Loaded // the systemd collector's is not ours to change
	u.Loaded = &loaded
	if err := v.compare(); err != nil {
		return fmt.Errorf("compare %q with its files: %w", u.Name, err)
	}
	u.Reload = v.reload()
	return nil
}

// view is one unit as it is being looked at.
type view struct {
	*walker
	unit     *facts.Unit
	loaded   systemd.Unit
	justRead bool // it was not in memory: the manager read it for us, just now
	files    []facts.File
}

// names are the unit's own and those it is also known by.
func (v *view) names() []string {
	names := []string{v.unit.Name}
	for _, n := range v.loaded.Names {
		if n != v.unit.Name {
			names = append(names, n)
		}
	}
	return names
}

func (v *view) fragments() error {
	paths := v.index.Fragments(v.unit.Name)
	expected := filepath.Join(v.env.UnitDir(), v.unit.Name)
	if v.managedAsFile() && !slices.Contains(paths, expected) && unitfile.Template(v.unit.Name) == "" {
		paths = append(paths, expected) // where it should be and is not
	}
	if p := v.loaded.FragmentPath; p != "" && !slices.Contains(paths, p) {
		paths = append(paths, p) // gone since it was loaded
	}
	effective := false
	for _, p := range paths {
		f, err := v.file(p, facts.RoleFragment)
		if err != nil {
			return err
		}
		f.Effective = !effective && f.Kind != unitfile.Missing && f.Kind != unitfile.Directory
		effective = effective || f.Effective
		f.Loaded = p == v.loaded.FragmentPath
		v.add(f)
	}
	return nil
}

// managedAsFile: its definition should stand in the user's unit folder.
func (v *view) managedAsFile() bool { return v.unit.IsManaged() && !v.unit.Quadlet }

func (v *view) dropIns() error {
	listed := v.index.DropIns(v.names())
	for _, path := range v.missingDropIns(listed) {
		listed = append(listed, unitfile.DropIn{Path: path, Masked: true})
	}
	for _, d := range listed {
		f, err := v.file(d.Path, facts.RoleDropIn)
		if err != nil {
			return err
		}
		f.Effective = !d.Masked && f.Kind != unitfile.Missing
		f.Loaded = slices.Contains(v.loaded.DropInPaths, d.Path)
		v.add(f)
	}
	return nil
}

// missingDropIns are those that are loaded or declared and not on disk.
func (v *view) missingDropIns(listed []unitfile.DropIn) []string {
	var missing []string
	add := func(path string) {
		there := slices.ContainsFunc(listed, func(d unitfile.DropIn) bool { return d.Path == path })
		if !there && !slices.Contains(missing, path) {
			missing = append(missing, path)
		}
	}
	for _, p := range v.loaded.DropInPaths {
		add(p)
	}
	folder := filepath.Join(v.env.UnitDir(), v.unit.Name+".d")
	for _, p := range v.declaredIn(folder) {
		add(p)
	}
	return missing
}

// declaredIn lists what is declared to stand right in a folder, in order.
func (v *view) declaredIn(folder string) []string { return v.folders[folder] }

// sources looks at the file that a quadlet is made from, and its drop-ins.
func (v *view) sources() error {
	if !v.unit.Quadlet {
		return nil
	}
	paths := []string{}
	for path, unit := range v.quadlets {
		if unit == v.unit.Name {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	if p := v.loaded.SourcePath; p != "" && !slices.Contains(paths, p) {
		paths = append(paths, p) // where it is declared to be comes first
	}
	for i, p := range paths {
		f, err := v.file(p, facts.RoleSource)
		if err != nil {
			return err
		}
		f.Effective, f.Loaded = i == 0 && f.Kind != unitfile.Missing, p == v.loaded.SourcePath
		v.add(f)
		if err := v.sourceDropIns(p); err != nil {
			return err
		}
	}
	return nil
}

// sourceDropIns are merged by podman's generator into the unit it writes, so
// each that stands there counts as loaded.
func (v *view) sourceDropIns(source string) error {
	onDisk, err := filepath.Glob(escapeGlob(source) + ".d/*.conf")
	if err != nil {
		return err
	}
	paths := append(onDisk, v.declaredIn(source+".d")...)
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		f, err := v.file(p, facts.RoleSourceDropIn)
		if err != nil {
			return err
		}
		f.Effective = f.Kind != unitfile.Missing
		f.Loaded = v.loaded.SourcePath == source
		v.add(f)
	}
	return nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func (v *view) links() error {
	links := slices.Clone(v.index.Links(v.unit.Name))
	for _, kind := range []string{"wants", "requires", "upholds"} {
		for _, l := range v.pulls[v.unit.Name+"\x00"+kind] {
			if !slices.Contains(links, l) {
				links = append(links, l)
			}
		}
	}
	for _, l := range links {
		f, err := v.file(l.Path, l.Kind)
		if err != nil {
			return err
		}
		f.Of = l.Of
		f.Effective = f.Kind != unitfile.Missing
		f.Loaded = slices.Contains(v.pulledInBy(l.Kind), l.Of)
		v.add(f)
	}
	return nil
}

// pulledInBy lists the units that pull this one in as loaded.
func (v *view) pulledInBy(kind string) []string {
	switch kind {
	case "wants":
		return v.loaded.WantedBy
	case "requires":
		return v.loaded.RequiredBy
	}
	return v.loaded.UpheldBy
}

func (v *view) add(f facts.File) {
	f.ChangedAfterLoad = !v.justRead && f.ChangedAt != nil && v.afterLoad(*f.ChangedAt)
	if changed, known := v.fromLedger(f); known && !v.justRead {
		f.ChangedAfterLoad = changed
	}
	v.files = append(v.files, f)
}

// afterLoad: a clock that was set back since the load tells nothing, and doubt
// counts as a change.
func (r *run) afterLoad(t time.Time) bool {
	loadedAt := r.doc.Manager.LoadedAt
	return !t.Before(loadedAt.Add(-clockSlack)) || loadedAt.After(r.doc.CollectedAt.Add(time.Second))
}

// file looks at a path and says what it is to this unit.
func (v *view) file(path, role string) (facts.File, error) {
	f, err := v.looks.at(path)
	if err != nil {
		return facts.File{}, err
	}
	out := facts.File{
		Path: path, Role: role, Origin: v.origin(path), Kind: f.Kind, FirstHop: f.FirstHop, Target: f.Target,
		UID: f.UID, Digest: f.Digest, DeclaredTarget: v.declared[path],
		LinkMtime: timeOrNil(f.LinkMtime), Mtime: timeOrNil(f.Mtime), ChangedAt: timeOrNil(f.Changed),
	}
	if f.Target != "" {
		out.Mode = fmt.Sprintf("%04o", f.Mode&fs.ModePerm)
	}
	out.State, err = v.state(f, out)
	return out, err
}

func (r *run) store() string {
	if r.generation == nil {
		return "/nix/store"
	}
	return r.generation.Store
}
