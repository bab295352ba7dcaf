package daily

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"stackpolicy/facts"
)

// layers are the files of a unit, in the order in which systemd reads them.
func (b *builder) layers(u facts.Unit) Some[Layer] {
	var list []Layer
	for _, f := range u.Files {
		list = append(list, b.layer(f))
	}
	return some(list, maxLayers)
}

func (b *builder) layer(f facts.File) Layer {
	class, is := judge(f)
	says := append([]string{is}, effect(f)...)
	if from := b.folder(f); from != "" {
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

// states of a file, as facts has them, in words.
func fileState(state string) (class, words string) {
	switch state {
	case "declared":
		return "ok", "as declared"
	case "generated":
		return "ok", "generated"
	case "identical":
		return "note", "a regular file, its content as declared"
	case "other-generation":
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
		return "intruder", "a folder in its place"
	case "unsafe":
		return "intruder", "others can write to it"
	case "undeclared":
		return "intruder", "nothing declares it"
	}
	return "note", name(state)
}

// judge tells an intruder from what belongs there. A file that has no effect
// intrudes upon nothing, and a distribution's own is only worth a note.
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

// effect is what a file does to the unit as it runs, and as it would.
func effect(f facts.File) []string {
	switch {
	case f.Kind == "missing" && f.Loaded:
		return []string{"still loaded"}
	case f.Kind == "missing":
		return nil
	case !f.Effective && f.Loaded:
		return []string{"loaded, but another one counts now"}
	case !f.Effective:
		return []string{"without effect: another one outranks it"}
	case !f.Loaded:
		return []string{"not loaded yet"}
	case f.ChangedAfterLoad:
		return []string{"changed since it was loaded"}
	}
	return []string{"in effect"}
}

// folder is where a file comes from; of fragments, with the folder's place in
// the search path.
func (b *builder) folder(f facts.File) string {
	words := map[string]string{
		"user": "the user's folder", "control": "set at run time (user.control)", "runtime": "the runtime folder",
		"generator": "a generator's folder", "etc": "/etc, the system's", "distribution": "the distribution's folder",
	}[f.Origin]
	if words == "" {
		words = "from elsewhere"
	}
	if f.Role != "fragment" || b.Document.Manager == nil {
		return words
	}
	order := b.Document.Manager.UnitPath
	if i := slices.Index(order, path.Dir(f.Path)); i >= 0 {
		words += fmt.Sprintf(", %d. of %d in the search path", i+1, len(order))
	}
	return words
}

// hops are the path, the link's first hop, and where it ends.
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
