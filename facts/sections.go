package facts

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Section is a part of the document that can be absent. Everything else (schema,
// collected_at, collectors, the units and their plain keys) is always present.
type Section struct {
	Name       string   // as in the METADATA of a rule, such as units.loaded
	Collectors []string // the one that fills it, then others that it depends on

	check func(*Document) error // returns why it is absent although its collectors succeeded
}

// Sections returns the table of all sections and their collectors. The rows of the
// collectors agree with it (package collect).
func Sections() []Section {
	return []Section{
		{"host", []string{"user"}, func(d *Document) error { return absent(d.Host == nil) }},
		{"user", []string{"user"}, func(d *Document) error { return absent(d.User == nil) }},
		{"manager", []string{"systemd"}, func(d *Document) error { return absent(d.Manager == nil) }},
		{"manager_files", []string{"files", "systemd"}, func(d *Document) error { return absent(d.ManagerFiles == nil) }},
		{"declared", []string{"home-manager"}, func(d *Document) error { return absent(d.Declared == nil) }},
		{"podman", []string{"podman"}, func(d *Document) error { return absent(d.Podman == nil) }},
		{"auto_update", []string{"images", "podman"}, func(d *Document) error { return absent(d.AutoUpdate == nil) }},
		{"storage", []string{"storage", "podman"}, func(d *Document) error { return absent(d.Storage == nil) }},
		{"local", []string{"local"}, func(d *Document) error { return absent(d.Local == nil) }},
		{"release", []string{"release"}, always},
		{"history", []string{"history"}, func(d *Document) error { return absent(d.History == nil) }},
		{"units.loaded", []string{"systemd"}, func(d *Document) error {
			return lacking(d, func(u *Unit) bool { return u.Loaded == nil })
		}},
		{"units.files", []string{"files"}, always},
		{"units.quadlet_errors", []string{"quadlets"}, always},
		{"units.reload", []string{"files", "systemd"}, func(d *Document) error {
			return lacking(d, func(u *Unit) bool { return u.Reload == nil })
		}},
		{"units.containers", []string{"podman"}, always},
		{"units.services", []string{"applied"}, always},
		{"units.applied", []string{"applied", "files"}, always},
		{"units.probes", []string{"probes"}, always},
		{"units.properties", []string{"properties", "systemd"}, func(d *Document) error {
			return lacking(d, func(u *Unit) bool { return u.Properties == nil })
		}},
		{"units.history", []string{"history"}, func(d *Document) error {
			return lacking(d, func(u *Unit) bool { return u.History == nil })
		}},
	}
}

// SectionNames lists the names of the sections, as in METADATA.
func SectionNames() []string {
	var names []string
	for _, s := range Sections() {
		names = append(names, s.Name)
	}
	return names
}

// Gap is a section that could not be collected.
type Gap struct {
	Section, Collector, Reason string
}

// Gaps returns the document's gaps by section name.
func (d *Document) Gaps() map[string]Gap {
	gaps := map[string]Gap{}
	for _, s := range Sections() {
		if g, ok := s.gap(d); ok {
			gaps[s.Name] = g
		}
	}
	return gaps
}

func (s Section) gap(d *Document) (Gap, bool) {
	for _, name := range s.Collectors {
		status, known := d.Collectors[name]
		switch {
		case !known:
			return Gap{s.Name, name, "the collector " + name + " did not run"}, true
		case !status.OK && status.Error == "":
			return Gap{s.Name, name, "the collector " + name + " gave no reason"}, true
		case !status.OK:
			return Gap{s.Name, name, status.Error}, true
		}
	}
	if err := s.check(d); err != nil {
		return Gap{s.Name, s.Collectors[0], err.Error()}, true
	}
	return Gap{}, false
}

// always is the check of a section that is never absent, only empty.
func always(*Document) error { return nil }

func absent(yes bool) error {
	if yes {
		return errors.New("its collector says ok, but the document lacks it")
	}
	return nil
}

// lacking names the managed units without a section. Templates are left out, because they
// have no loaded state.
func lacking(d *Document, lacks func(*Unit) bool) error {
	var names []string
	for i := range d.Units {
		if u := &d.Units[i]; u.IsManaged() && !u.Template && lacks(u) {
			names = append(names, u.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	if len(names) > 5 {
		names = append(names[:5], fmt.Sprintf("and %d more", len(names)-5))
	}
	return fmt.Errorf("not for %s", strings.Join(names, ", "))
}
