// Package blame says which file and line supplies each setting of a unit, and what that
// setting overrides.
//
// Start at [Of]. It follows the order of files that was collected, and reads the files.
package blame

import (
	"fmt"
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// Schema names the version of the shape of a [Blame].
const Schema = "stackpolicy.blame/v1"

// Bounds on the files of one unit.
const (
	maxFiles    = 1000
	maxSettings = 100_000
	maxText     = 16 << 20 // bytes of all values
)

// emptyDigest is that of a file without content: as the file of a unit, it masks the unit
// (systemd.unit(5)).
const emptyDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Blame is a unit as its files define it.
type Blame struct {
	Schema    string       `json:"schema"`
	Unit      string       `json:"unit"`             // not an alias
	Source    string       `json:"source,omitempty"` // the quadlet that it is generated from
	ManagedBy string       `json:"managed_by"`       // as in facts
	LoadState string       `json:"load_state"`       // as systemd says; "" for a template
	Masked    bool         `json:"masked"`           // on disk
	Files     []facts.File `json:"files"`            // fragments, drop-ins and sources, used or not, in the order of facts
	Settings  []Setting    `json:"settings"`         // in force if the manager loaded the unit now
	Ignored   []Ignored    `json:"ignored"`          // lines that systemd ignores
}

// Setting is one assignment that counts. A list has one for each line. An empty value is an
// empty assignment, which says that the ones before it do not count.
type Setting struct {
	Section   string     `json:"section"`
	Key       string     `json:"key"`
	Value     string     `json:"value"` // specifiers are not expanded
	File      string     `json:"file"`
	Line      int        `json:"line"`     // where it begins; the first line is 1
	Declared  bool       `json:"declared"` // its file is the declared one, or generated from declared ones
	Loaded    bool       `json:"loaded"`   // the manager has read this; false also if that is not certain
	Overrides []Override `json:"overrides"`
}

// Override is an assignment that does not count because of a later one.
type Override struct {
	Key   string `json:"key,omitempty"` // "" if it is that of the setting
	Value string `json:"value"`
	File  string `json:"file"`
	Line  int    `json:"line"`
}

// Ignored is a line that has no effect.
type Ignored struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Reason string `json:"reason"` // what follows the line in a sentence
}

// Reader returns the assignments of a file, as [unitfile.Assignments] does.
type Reader func(path string) (list []unitfile.Assignment, stopped int, err error)

// Of reads the files of a unit. A file that cannot be read is an error: the settings are not
// known without it.
func Of(u facts.Unit, read Reader) (Blame, error) {
	b := Blame{Schema: Schema, Unit: u.Name, ManagedBy: u.ManagedBy, Files: []facts.File{}, Ignored: []Ignored{}}
	for _, f := range u.Files {
		if slices.Contains([]string{facts.RoleFragment, facts.RoleDropIn, facts.RoleSource, facts.RoleSourceDropIn}, f.Role) {
			b.Files = append(b.Files, f)
		}
	}
	if u.Loaded != nil {
		b.LoadState = u.Loaded.LoadState
	}
	if u.Quadlet {
		b.Source = sourceOf(u)
	}
	used, err := b.used()
	if err != nil {
		return b, err
	}
	m := newMerger(u.Name)
	settings, size := 0, 0
	for _, f := range used {
		list, stopped, err := read(f.Path)
		if err != nil {
			return b, err
		}
		settings += len(list)
		for _, a := range list {
			size += len(a.Value)
		}
		if settings > maxSettings || size > maxText {
			return b, fmt.Errorf("the files of %s have more than %d settings or %d MiB, the limits here", u.Name, maxSettings, maxText>>20)
		}
		m.file(f.Path, list)
		if stopped > 0 {
			m.ignore(f.Path, stopped, "systemd cannot read this line, and stops reading the file here")
		}
	}
	b.Settings, b.Ignored = m.settings(), m.ignored
	b.addStates(u)
	return b, nil
}

// used lists the files that the manager would read now, in its order. It sets Masked.
func (b *Blame) used() (used []facts.File, err error) {
	hasFragment := false
	for _, f := range b.Files {
		isRead := f.Role == facts.RoleFragment || f.Role == facts.RoleDropIn
		if !isRead || !f.Effective || f.State == facts.StateDirectory || f.Kind == unitfile.Directory {
			continue
		}
		if f.Role == facts.RoleFragment {
			hasFragment = true
			b.Masked = f.Target == "/dev/null" || f.Digest == emptyDigest
		}
		switch {
		case f.Digest != "":
			used = append(used, f)
		case f.Target != "" && f.Target != "/dev/null":
			return nil, fmt.Errorf("read unit file %q: this account may not, or it is no regular file or far too large", f.Path)
		}
	}
	if b.Masked || !hasFragment && b.LoadState != "loaded" { // then systemd reads no drop-in
		return nil, nil
	}
	if len(used) > maxFiles {
		return nil, fmt.Errorf("%s has %d files, more than %d, the limit here", b.Unit, len(used), maxFiles)
	}
	return used, nil
}

// sourceOf returns the quadlet that is loaded or, if none is, the first one on disk.
func sourceOf(u facts.Unit) string {
	if u.Loaded != nil && u.Loaded.SourcePath != "" {
		return u.Loaded.SourcePath
	}
	i := slices.IndexFunc(u.Files, func(f facts.File) bool { return f.Role == facts.RoleSource })
	if i < 0 {
		return ""
	}
	return u.Files[i].Path
}

// addStates says of each setting whether it is declared and loaded.
func (b *Blame) addStates(u facts.Unit) {
	files, sources := map[string]facts.File{}, []facts.File{}
	for _, f := range b.Files {
		switch {
		case f.Role == facts.RoleSource || f.Role == facts.RoleSourceDropIn:
			sources = append(sources, f)
		default:
			files[f.Path] = f
		}
	}
	fromDeclared := len(sources) > 0 && !slices.ContainsFunc(sources, func(f facts.File) bool { return f.Effective && !f.IsTrusted() })
	for i := range b.Settings {
		s := &b.Settings[i]
		f := files[s.File]
		s.Declared = f.IsTrusted() && (f.State != facts.StateGenerated || fromDeclared)
		s.Loaded = f.Loaded && !f.ChangedAfterLoad && !differs(u, s.Key)
	}
}

func differs(u facts.Unit, key string) bool {
	return u.Loaded != nil && slices.ContainsFunc(u.Loaded.Differs, func(d facts.Difference) bool { return d.Key == key })
}
