package collect

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"stackpolicy/facts"
	"stackpolicy/facts/drift"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

var filesRow = collector{
	name: "files", limit: 15 * time.Second, fills: []string{"units.files", "units.reload", "manager_files"},
	needs: []string{"home-manager", "systemd"},
}

// filesFound are the document's units, each with its files, how they differ from what is
// loaded, and what a reload would do; and what a reload reads besides unit files.
type filesFound struct {
	units   []facts.Unit
	manager *facts.ManagerFiles
}

func (f filesFound) fill(doc *facts.Document) { doc.Units, doc.ManagerFiles = f.units, f.manager }

func collectFiles(ctx context.Context, env Environment, now time.Time, declared declaration, loaded loadedUnits, looks *looks) (filesFound, error) {
	if loaded.indexErr != nil {
		return filesFound{}, fmt.Errorf("list the unit files: %w", loaded.indexErr)
	}
	judge, err := newJudge(ctx, env, declared, loaded.managed)
	if err != nil {
		return filesFound{}, err
	}
	var dropIns quadletDropIns
	if len(declared.quadlets) > 0 || slices.ContainsFunc(loaded.units, func(u facts.Unit) bool { return u.Quadlet }) {
		if dropIns, err = readQuadletDropIns(env.quadletFolders()); err != nil {
			return filesFound{}, err
		}
	}
	owners := newOwners(loaded.index, looks)
	w := &walker{
		env: env, loaded: loaded, looks: looks, judge: judge, owners: owners, manager: driftManager(loaded, now), key: env.digestKey(),
		places: newPlaces(env, declared, dropIns, loaded.index, owners),
	}
	units := slices.Clone(loaded.units)
	if err := inParallel(ctx, len(units), func(i int) error {
		if env.kept.reuse(&units[i]) {
			return nil
		}
		err := w.unit(&units[i])
		if !w.mustRead(units[i]) { // what is odd about it must not hide the units that are judged
			return ctx.Err()
		}
		return err
	}); err != nil {
		return filesFound{}, err
	}
	if err := w.addReloadResults(ctx, units); err != nil {
		return filesFound{}, err
	}
	env.kept.keep(loaded.units, units)
	files, err := env.kept.managerFiles(func() (*facts.ManagerFiles, error) { return managerFiles(ctx, env, judge, w.manager, loaded) })
	return filesFound{units, files}, err
}

func driftManager(loaded loadedUnits, now time.Time) *drift.Manager {
	m := &drift.Manager{LoadedAt: loaded.manager.LoadedAt, Now: now, Loaded: map[string]bool{}, NoUphold: isBefore(loaded.manager.Version, 253)}
	for name, l := range loaded.listed {
		m.Loaded[name] = l.LoadState == "loaded"
	}
	return m
}

// isBefore reports whether a version of systemd, which is free text, is certainly lower.
func isBefore(version string, major int) bool {
	digits := strings.IndexFunc(version+" ", func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(version[:digits])
	return err == nil && n < major
}

// walker collects the files of all units, several units at the same time: its fields do not
// change, or have a lock.
type walker struct {
	env     Environment
	loaded  loadedUnits
	looks   *looks
	judge   *judge
	places  *places
	owners  *owners
	manager *drift.Manager
	key     digestKey
	reloads sync.Map // the names of the units that have an ExecReload=
}

// mustRead reports whether a fault of the unit's files is an error.
func (w *walker) mustRead(u facts.Unit) bool { return u.IsManaged() || u.Name == w.loaded.named }

// unit fills the files of one unit.
func (w *walker) unit(u *facts.Unit) error {
	_, inMemory := w.loaded.listed[u.Name]
	d := drift.Unit{Loaded: w.loaded.loaded[u.Name], JustRead: !inMemory, Manager: w.manager}
	isGenerated := u.Template && u.Quadlet
	if isGenerated {
		d.Loaded.SourcePath = w.generatedFrom(u.Name)
	}
	if path := w.loaded.index.Denied(w.places.names(u.Name, d.Loaded)); path != "" && w.mustRead(*u) {
		return fmt.Errorf("files of %q: this account may not read %s", u.Name, path)
	}
	for _, c := range w.places.of(*u, d.Loaded) {
		f, err := w.describe(*u, c)
		if err != nil {
			return fmt.Errorf("files of %q: %w", u.Name, err)
		}
		refused := slices.ContainsFunc(u.QuadletErrors, func(e facts.QuadletError) bool { return e.Path == f.Path })
		d.Files = append(d.Files, drift.File{File: f, Hidden: c.hidden, Refused: refused})
	}
	d.Mark(knownLoad(*u))
	if isGenerated { // the generator runs at a reload, though no template is loaded
		reload := d.Reload()
		u.Reload = &reload
	}
	if err := w.compare(u, &d); err != nil {
		return fmt.Errorf("compare %q with its files: %w", u.Name, err)
	}
	for _, f := range d.Files {
		u.Files = append(u.Files, f.File)
	}
	return nil
}

// generatedFrom returns the quadlet that a template was generated from; "" if it was not.
func (w *walker) generatedFrom(template string) string {
	for _, path := range w.loaded.index.Fragments(template) {
		if source := sourcePath(w.env, systemd.Unit{FragmentPath: path}); source != "" {
			return source
		}
	}
	return ""
}

// compare fills the differences to the loaded unit, and what a reload would do.
func (w *walker) compare(u *facts.Unit, d *drift.Unit) error {
	if u.Loaded == nil {
		return nil
	}
	spec := w.specifiers(u.Name)
	difference, err := d.Compare(unitfile.Read, spec, w.owners)
	if err != nil {
		return err
	}
	loaded := *u.Loaded // a copy: this one belongs to the systemd collector
	loaded.Differs, loaded.LinksUnread, loaded.LinksGone = difference.Settings, difference.LinksUnread, difference.LinksGone
	w.key.hideDifferences(loaded.Differs)
	loaded.Repeats = difference.Repeats
	loaded.NeedDaemonReload = loaded.NeedDaemonReload && (!d.JustRead || u.Quadlet) // else it was read a moment ago
	loaded.Pulls, loaded.Stop = difference.Pulls, stopCommands(difference.Stop, spec)
	for i, pull := range loaded.Pulls {
		listed := w.loaded.listed[pull.Unit]
		loaded.Pulls[i].LoadState, loaded.Pulls[i].ActiveState = listed.LoadState, listed.ActiveState
	}
	if difference.Reloads {
		w.reloads.Store(u.Name, true)
	}
	reload := d.Reload()
	u.Loaded, u.Reload = &loaded, &reload
	return nil
}

// addReloadResults asks how the last reload of each unit with an ExecReload= ended: few
// have one, and a property of all units would make each audit slower.
func (w *walker) addReloadResults(ctx context.Context, units []facts.Unit) error {
	var names []string
	for name := range w.reloads.Range {
		names = append(names, name.(string))
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	results, err := w.loaded.conn.ReloadResults(ctx, names)
	if err != nil {
		return fmt.Errorf("ask how reloads ended: %w", err)
	}
	for _, u := range units {
		if result, asked := results[u.Name]; asked {
			u.Loaded.ReloadResult = result
		}
	}
	return nil
}

func knownLoad(u facts.Unit) *facts.Load {
	if u.History == nil {
		return nil
	}
	return u.History.Load
}

// describe returns what is at a path, and its state compared to the declaration.
func (w *walker) describe(u facts.Unit, c candidate) (facts.File, error) {
	f, err := w.looks.at(c.path)
	if err != nil {
		return facts.File{}, err
	}
	out := facts.File{
		Path: c.path, Role: c.role, Of: c.of, Origin: w.judge.declared.origin(w.env, c.path), Kind: f.Kind, FirstHop: f.FirstHop, Target: f.Target,
		UID: f.UID, Digest: f.Digest, DeclaredTarget: w.judge.declared.files[c.path],
		LinkMtime: timeOrNil(f.LinkMtime), Mtime: timeOrNil(f.Mtime), ChangedAt: timeOrNil(f.Changed),
	}
	if f.Target != "" {
		out.Mode = fmt.Sprintf("%04o", f.Mode&fs.ModePerm)
	}
	out.State, err = w.judge.state(u, f, out)
	return out, err
}

// specifiers returns the specifiers whose values are certain.
func (w *walker) specifiers(unit string) unitfile.Specifiers {
	spec := unitfile.NameSpecifiers(unit)
	spec['h'], spec['t'], spec['u'], spec['U'] = w.env.Home, w.env.RuntimeDir, w.env.Name, strconv.Itoa(w.env.UID)
	spec['E'] = w.env.ConfigHome // not %S: it is ConfigHome too before systemd 254
	return spec
}
