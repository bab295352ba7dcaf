package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/lazyregexp"
)

// Difference is one thing that a folder changes of the built-in policies.
type Difference struct {
	Kind string // own, replaced, edited, outdated, missing, settings or file
	Name string // the invariant's id, the file, or the setting
	Note string // may be empty
	// Files are those that differ, by name, with the built-in text and the folder's; nil: it
	// does not have it.
	Files []FileDifference
}

// FileDifference is a file that is not the built-in one.
type FileDifference struct {
	Name     string
	Old, New []byte // nil: there is none
}

// Differences compares a folder's policies with the built-in ones: invariants first, by id,
// then settings and other files. Both sources are read with their tests; base is that of the
// folder.
func Differences(s Source, base Base, builtin Source) []Difference {
	origins := OriginsOf(s, s.declared(), base, builtin)
	byKey := map[string]*Difference{}
	var keys []string
	for _, f := range changedFiles(s, builtin) {
		folder := invariantFolder(f.Name)
		key := partOf(f.Name)
		if byKey[key] == nil {
			byKey[key] = &Difference{Kind: "file", Name: f.Name}
			keys = append(keys, key)
		}
		byKey[key].Files = append(byKey[key].Files, f)
		if folder != "" {
			byKey[key].Name = path.Base(folder)
			byKey[key].Kind, byKey[key].Note = invariantDifference(path.Base(folder), origins)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(-compareTrue(invariantPart(a), invariantPart(b)), cmp.Compare(a, b))
	})
	var list []Difference
	for _, key := range keys {
		if isSettings(key) {
			list = append(list, settingsDifferences(byKey[key].Files[0])...)
			continue
		}
		d := *byKey[key]
		if d.Kind == "file" {
			d.Note = fileNote(d.Files[0])
		}
		list = append(list, d)
	}
	return list
}

func invariantPart(key string) bool { return strings.HasPrefix(key, "invariants/") }

func compareTrue(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func invariantDifference(id string, o Origins) (kind, note string) {
	origin := o.ByID[id]
	if slices.Contains(o.Missing, id) {
		return "missing", ""
	}
	if origin == (Origin{FromBuiltin, SinceChanged}) {
		return "outdated", "the built-in rule has changed since it was copied"
	}
	switch origin.Since {
	case SinceChanged:
		return "replaced", "the built-in rule has changed since"
	case SinceUnchanged:
		return "replaced", "the built-in rule is unchanged since"
	case SinceUnknown:
		return "replaced", "unknown whether the built-in rule has changed since"
	case SinceRemoved:
		return "own", "the built-in rule that it replaces does not exist any more"
	}
	if origin.From == FromBuiltin {
		return "edited", "the rule is the built-in one"
	}
	return "own", ""
}

func fileNote(f FileDifference) string {
	switch {
	case f.Old == nil:
		return "added"
	case f.New == nil:
		return "missing"
	}
	return "changed"
}

// changedFiles are the files that one of two sources has otherwise than the other.
func changedFiles(s, builtin Source) []FileDifference {
	var list []FileDifference
	for _, f := range s.Files {
		if old := builtin.text(f.Name); old == nil || !bytes.Equal(old, f.Text) {
			list = append(list, FileDifference{f.Name, old, f.Text})
		}
	}
	for _, f := range builtin.Files {
		if !s.has(f.Name) {
			list = append(list, FileDifference{Name: f.Name, Old: f.Text})
		}
	}
	return list
}

var replacesLine = lazyregexp.New(`(?m)^#\s+replaces:\s*(\S+)\s*$`)

// declared reads of each invariant what METADATA says, without parsing the rules: they may
// have mistakes.
func (s Source) declared() (list []Invariant) {
	for _, f := range s.Files {
		if id := ruleID(f.Name); id != "" {
			inv := Invariant{ID: id}
			if m := replacesLine.Get().FindSubmatch(f.Text); m != nil {
				inv.Replaces = string(m[1])
			}
			list = append(list, inv)
		}
	}
	return list
}

// settingsDifferences returns one difference for each setting whose value is another one. The
// first has both texts, with every key.
func settingsDifferences(f FileDifference) []Difference {
	old, now := effective(f.Old), effective(f.New)
	if old == nil || now == nil {
		return []Difference{{Kind: "settings", Name: f.Name, Note: "has mistakes: stackpolicy policy check says which", Files: []FileDifference{f}}}
	}
	var list []Difference
	for _, key := range settingKeys(old) {
		if a, b := inFlow(old[key]), inFlow(now[key]); a != b {
			list = append(list, Difference{Kind: "settings", Name: key, Note: a + " → " + b})
		}
	}
	if len(list) > 0 {
		list[0].Files = []FileDifference{{f.Name, inBlock(old), inBlock(now)}}
	}
	return list
}

// effective returns the settings of a file with their defaults, nil if it has mistakes.
func effective(text []byte) map[string]any {
	refusal := NewRefusal("")
	doc := parseSettings(text, refusal)
	if refusal.Err() != nil {
		return nil
	}
	return doc.Settings.data()
}

func settingKeys(data map[string]any) (keys []string) {
	for key := range data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// inFlow writes a value in one line.
func inFlow(value any) string {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	node.Style = yaml.FlowStyle
	text, err := yaml.Marshal(&node)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

func inBlock(data map[string]any) []byte {
	text, _ := yaml.Marshal(map[string]any{"settings": data}) // it has only texts, numbers, lists and maps
	return text
}

// YAML returns settings.yaml with every key.
func (s Settings) YAML() ([]byte, error) {
	return yaml.Marshal(map[string]any{"settings": s.data()})
}
