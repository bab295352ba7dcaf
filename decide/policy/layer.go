package policy

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	rootFile     = "main.rego"      // makes a folder a complete one
	mainTestFile = "main_test.rego" // tests all invariants together
)

// Over returns the policies that a folder means. A folder with main.rego stands alone. Any
// other is a layer over the built-in policies: its settings.yaml and main_test.rego take
// the place of theirs, its invariants are added or take the place of the one with the same id, with test and
// runbook, and its other files are added. The built-in files are marked in the result.
func (s Source) Over(builtin Source) Source {
	if s.standsAlone() {
		return s
	}
	refusal := NewRefusal("")
	refusal.Problems = slices.Clone(s.Problems)
	if len(s.Files)+len(s.Problems) == 0 {
		refusal.Add("", 0, "holds no policies; want settings.yaml, invariants/ or lib/ to lay over the built-in ones, or a whole folder, as stackpolicy policy copy writes it")
	}
	whole := Source{Name: s.Name}
	ruled := s.ruled()
	for _, f := range s.Files {
		if s.checkPlace(f.Name, ruled, builtin, refusal) {
			whole.Files = append(whole.Files, f)
		}
	}
	for _, f := range builtin.Files {
		if !ruled[invariantFolder(f.Name)] && !s.has(f.Name) {
			f.Builtin = true
			whole.Files = append(whole.Files, f)
		}
	}
	whole.Problems = refusal.Problems
	whole.sort()
	return whole
}

// Own returns the source without the files from below it.
func (s Source) Own() Source {
	s.Files = slices.DeleteFunc(slices.Clone(s.Files), func(f File) bool { return f.Builtin })
	return s
}

// standsAlone: a main.rego that cannot be read counts too.
func (s Source) standsAlone() bool {
	return s.has(rootFile) || slices.ContainsFunc(s.Problems, func(p Problem) bool { return p.File == rootFile })
}

// checkPlace refuses a file of a layer that would hide a built-in one, or that has no use.
func (s Source) checkPlace(name string, ruled map[string]bool, builtin Source, refusal *Refusal) bool {
	folder := invariantFolder(name)
	switch {
	case ruled[folder], isSettings(name), name == mainTestFile:
		return true
	case isProse(name) || builtin.has(name) && folder != "":
		id := path.Base(path.Dir(name))
		refusal.Add(name, 0, "there is no rule %s/%s.rego beside it; a layer replaces rule, test and runbook of an invariant together: stackpolicy policy new %s", path.Dir(name), id, id)
	case builtin.has(name):
		refusal.Add(name, 0, "the built-in policies have a file of this name; give it another name, or make a complete folder: stackpolicy policy copy DIR")
	default:
		return true
	}
	return false
}

// ruled has the folders of the invariants whose rule is there.
func (s Source) ruled() map[string]bool {
	folders := map[string]bool{}
	for _, f := range s.Files {
		if ruleID(f.Name) != "" {
			folders[path.Dir(f.Name)] = true
		}
	}
	return folders
}

// ruleID returns the id of the invariant whose rule the file is, "" for other files.
func ruleID(name string) string {
	if m := invariantFile.Get().FindStringSubmatch(name); m != nil && m[1] == m[2] {
		return m[1]
	}
	return ""
}

// ruleFile returns the file of an invariant's rule.
func ruleFile(id string) string { return path.Join("invariants", id, id+".rego") }

// partOf returns what a file is merged, kept or removed with: its invariant's folder, or
// itself.
func partOf(name string) string { return cmp.Or(invariantFolder(name), name) }

// invariantFolder returns invariants/ID for a file in or below it, "" for other files.
func invariantFolder(name string) string {
	if parts := strings.Split(name, "/"); parts[0] == "invariants" && len(parts) > 2 {
		return path.Join(parts[:2]...)
	}
	return ""
}

func (s Source) has(name string) bool { return s.text(name) != nil }

// text returns a file's content, nil if there is no such file.
func (s Source) text(name string) []byte {
	i := slices.IndexFunc(s.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return append([]byte{}, s.Files[i].Text...)
}

func (s Source) isBuiltin(name string) bool {
	return slices.ContainsFunc(s.Files, func(f File) bool { return f.Name == name && f.Builtin })
}

func (s Source) isLayer() bool {
	return slices.ContainsFunc(s.Files, func(f File) bool { return f.Builtin })
}

// checkAdditions refuses a library file of a layer that adds to a rule of the built-in
// library: it would change the built-in invariants without replacing one.
func (s Source) checkAdditions(modules map[string]*ast.Module, refusal *Refusal) {
	if !s.isLayer() {
		return
	}
	first := map[string]string{}
	for _, f := range s.Files {
		if m := modules[f.Name]; f.Builtin && m != nil {
			for _, rule := range m.Rules {
				first[packageOf(m)+"."+headName(rule)] = f.Name
			}
		}
	}
	for _, f := range s.Files {
		m := modules[f.Name]
		if f.Builtin || m == nil || !strings.HasPrefix(f.Name, "lib/") {
			continue
		}
		for _, rule := range m.Rules {
			if at := first[packageOf(m)+"."+headName(rule)]; at != "" {
				refusal.Add(f.Name, rule.Location.Row, "%s is a rule of the built-in %s; choose another name, so that the built-in invariants stay as they are", headName(rule), at)
			}
		}
	}
}

func headName(rule *ast.Rule) string { return strings.Trim(rule.Head.Ref()[0].Value.String(), `"`) }
