package collect

import (
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/facts/drift"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// candidate is a path that can define or alter a unit.
type candidate struct {
	path, role string
	of         string // for links: the other unit
	hidden     bool   // systemd ignores it
}

// places finds the paths that can define or alter units.
type places struct {
	unitDir   string
	dataDir   string            // where units of packages are declared
	declared  map[string]string // see declaration.files
	index     *unitfile.Index
	owners    *owners
	quadlets  map[string]string          // see declaration
	folders   map[string][]string        // folder -> the declared paths in it, in order
	pulls     map[string][]unitfile.Link // see declaredLinks
	ownLinked bool                       // a unit other than a target pulls in another one by a link
	dropIns   quadletDropIns
}

func newPlaces(e Environment, declared declaration, dropIns quadletDropIns, index *unitfile.Index, owners *owners) *places {
	folders := byFolder(declared.files)
	return &places{
		unitDir: e.UnitDir(), dataDir: e.DataUnitDir(), declared: declared.files, dropIns: dropIns, index: index, owners: owners, quadlets: declared.quadlets,
		folders: folders, pulls: declaredLinks(e.UnitDir(), folders), ownLinked: index.HasOwnLinks(),
	}
}

// of lists the paths of one unit in the order in which systemd reads them. Paths
// that are declared or loaded but not on disk are the last of their role.
func (p *places) of(u facts.Unit, loaded systemd.Unit) []candidate {
	var all []candidate
	expected := "" // an instance is defined by its template
	if u.IsManaged() && !u.Quadlet && unitfile.Template(u.Name) == "" {
		expected = p.expected(u.Name)
	}
	for _, path := range drift.Fragments(p.index.Fragments(u.Name), expected, loaded.FragmentPath) {
		all = append(all, candidate{path: path, role: facts.RoleFragment})
	}
	declared := p.folders[filepath.Join(p.unitDir, u.Name+".d")]
	known := p.names(u.Name, loaded)
	for _, d := range drift.DropIns(p.index.DropIns(known), loaded.DropInPaths, declared) {
		all = append(all, candidate{path: d.Path, role: facts.RoleDropIn, hidden: d.Masked})
	}
	all = append(all, p.sources(u, loaded.SourcePath)...)
	var links []unitfile.Link
	for _, kind := range []string{"wants", "requires", "upholds"} {
		links = append(links, p.pulls[u.Name+"\x00"+kind]...)
	}
	onDisk := p.index.Links(u.Name)
	for _, alias := range p.owners.aliases().Of(u.Name) {
		onDisk = slices.Concat(onDisk, p.index.Links(alias))
	}
	for _, l := range drift.Links(onDisk, links) {
		all = append(all, candidate{path: l.Path, role: l.Kind, of: l.Of})
	}
	return append(all, p.ownLinks(u, known)...)
}

// expected is where the definition of a managed unit belongs.
func (p *places) expected(unit string) string {
	own, packaged := filepath.Join(p.unitDir, unit), filepath.Join(p.dataDir, unit)
	if p.declared[own] == "" && p.declared[packaged] != "" {
		return packaged
	}
	return own
}

// names are the unit's own name and those it is also known by: as loaded, and on
// disk, where a reload finds them.
func (p *places) names(unit string, loaded systemd.Unit) []string {
	all := []string{unit}
	for _, also := range slices.Concat(loaded.Names, p.owners.aliases().Of(unit)) {
		if !slices.Contains(all, also) {
			all = append(all, also)
		}
	}
	return all
}

// ownLinks lists the links by which a managed unit pulls in others. To be pulled at
// is what targets are for: theirs are left out.
func (p *places) ownLinks(u facts.Unit, names []string) []candidate {
	if !p.ownLinked || !u.IsManaged() || strings.HasSuffix(u.Name, ".target") {
		return nil
	}
	var all []candidate
	for _, kind := range []string{"wants", "requires", "upholds"} {
		for _, l := range p.index.LinkedBy(names, kind) {
			of := unitfile.Resolve(u.Name, filepath.Base(l.Path))
			all = append(all, candidate{path: l.Path, role: "own-" + kind, of: of})
		}
	}
	return all
}

// sources lists the files that a quadlet is generated from, each with its drop-ins.
func (p *places) sources(u facts.Unit, loaded string) []candidate {
	if !u.Quadlet {
		return nil
	}
	declared := []string{}
	for path, unit := range p.quadlets {
		if unit == u.Name {
			declared = append(declared, path)
		}
	}
	slices.Sort(declared)
	var all []candidate
	for _, source := range drift.Sources(declared, loaded) {
		all = append(all, candidate{path: source, role: facts.RoleSource})
		for _, d := range drift.DropIns(p.dropIns.of(source), nil, p.declaredDropIns(source)) {
			all = append(all, candidate{path: d.Path, role: facts.RoleSourceDropIn, hidden: d.Masked})
		}
	}
	return all
}

// declaredDropIns lists the declared drop-ins of a quadlet, in order.
func (p *places) declaredDropIns(source string) (paths []string) {
	names := unitfile.QuadletDropIns(filepath.Base(source))
	for folder, files := range p.folders {
		if slices.Contains(names, filepath.Base(folder)) {
			paths = append(paths, files...)
		}
	}
	slices.Sort(paths)
	return paths
}

// byFolder groups the declared paths by their folder.
func byFolder(declared map[string]string) map[string][]string {
	folders := map[string][]string{}
	for path := range declared {
		dir := filepath.Dir(path)
		folders[dir] = append(folders[dir], path)
	}
	for _, paths := range folders {
		slices.Sort(paths)
	}
	return folders
}

// declaredLinks groups the declared wants, requires and upholds links by their kind and the
// unit that they pull in.
func declaredLinks(unitDir string, folders map[string][]string) map[string][]unitfile.Link {
	links := map[string][]unitfile.Link{}
	for dir, paths := range folders {
		if filepath.Dir(dir) != unitDir {
			continue
		}
		of, kind := unitfile.Split(filepath.Base(dir))
		for _, p := range paths {
			key := filepath.Base(p) + "\x00" + kind
			links[key] = append(links[key], unitfile.Link{Path: p, Of: of, Kind: kind})
		}
	}
	return links
}
