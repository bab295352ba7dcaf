package daily

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"stackpolicy/facts"
)

// Layer is a file that defines or alters a unit.
type Layer struct {
	Role  string
	Class string // ok, note, intruder or off
	Says  string // what it is to the unit
	Hops  []Hop  // the path, and where it leads
}

// Hop is a path, split so that its name can be emphasised.
type Hop struct{ Dir, Name string }

// layers returns the files of a unit, in the order in which systemd reads them.
func layers(u facts.Unit, m *facts.Manager) Some[Layer] {
	var searched []string
	if m != nil {
		searched = m.UnitPath
	}
	var list []Layer
	for _, f := range u.Files {
		list = append(list, layer(f, searched))
	}
	return some(list, maxLayers)
}

func layer(f facts.File, searched []string) Layer {
	class, is := judge(f)
	says := append([]string{is}, effect(f)...)
	if from := folder(f, searched); from != "" {
		says = append(says, from)
	}
	return Layer{Role: role(f), Class: class, Says: strings.Join(says, " · "), Hops: hops(f)}
}

func role(f facts.File) string {
	switch f.Role {
	case "dropin":
		return "drop-in"
	case "source-dropin":
		return "drop-in of the source"
	case "wants", "requires", "upholds":
		return f.Role + " link of " + name(f.Of)
	}
	return name(f.Role)
}

// fileState puts the state of a file into words.
func fileState(state string) (class, words string) {
	switch state {
	case "declared":
		return "ok", "as declared"
	case "generated":
		return "ok", "generated"
	case "identical":
		return "note", "a regular file, its content as declared"
	case "other-generation", "pending":
		return "note", "of another generation"
	case "missing":
		return "note", "missing"
	case "dangling":
		return "note", "leads nowhere"
	case "unreadable":
		return "note", "cannot be read"
	case "different":
		return "intruder", "not what is declared"
	case "foreign-link":
		return "intruder", "a link to elsewhere"
	case "mask":
		return "intruder", "a mask"
	case "directory":
		return "intruder", "a folder instead of the file"
	case "unsafe":
		return "intruder", "others can write to it"
	case "undeclared":
		return "intruder", "not declared"
	}
	return "note", name(state)
}

// judge returns whether a file is an intruder or belongs there. A file without effect
// is no intruder, and a distribution's own file is only worth a note.
func judge(f facts.File) (class, words string) {
	class, words = fileState(f.State)
	switch {
	case class != "intruder":
	case !f.Effective && !f.Loaded:
		class = "off"
	case f.Origin == "distribution" && f.State == "undeclared":
		class = "note"
	}
	return class, words
}

// effect says what a file does to the unit as it runs, and after a reload.
func effect(f facts.File) []string {
	switch {
	case f.Kind == "missing" && f.Loaded:
		return []string{"still loaded"}
	case f.Kind == "missing":
		return nil
	case !f.Effective && f.Loaded:
		return []string{"loaded, but another file replaced it"}
	case !f.Effective:
		return []string{"without effect: another file has priority"}
	case !f.Loaded:
		return []string{"not loaded yet"}
	case f.ChangedAfterLoad:
		return []string{"changed since it was loaded"}
	}
	return []string{"in effect"}
}

// folder says where a file comes from. For a fragment that includes the folder's
// place in the search path.
func folder(f facts.File, searched []string) string {
	words := map[string]string{
		"user": "the user's folder", "control": "set at run time (user.control)", "runtime": "the runtime folder",
		"generator": "a generator's folder", "etc": "/etc, the system's", "distribution": "the distribution's folder",
	}[f.Origin]
	if words == "" {
		words = "from elsewhere"
	}
	if f.Role != "fragment" {
		return words
	}
	if i := slices.Index(searched, path.Dir(f.Path)); i >= 0 {
		words += fmt.Sprintf(", %d of %d in the search path", i+1, len(searched))
	}
	return words
}

// hops returns the path, the link's first hop, and where it ends.
func hops(f facts.File) []Hop {
	var list []Hop
	for _, p := range []string{f.Path, f.FirstHop, f.Target} {
		if p == "" || len(list) > 0 && p == f.Path || len(list) == 2 && p == f.FirstHop {
			continue
		}
		dir, base := path.Split(p)
		list = append(list, Hop{Dir: name(dir), Name: name(base)})
	}
	return list
}
