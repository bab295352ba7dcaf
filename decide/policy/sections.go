package policy

import (
	"fmt"
	"slices"
	"strings"

	"stackpolicy/facts"
)

// section is a part of the document that is absent when it could not be
// collected, so a rule must say that it reads it.
type section struct {
	name       string   // as METADATA names it
	collectors []string // which collect it; the first names the gap
	present    func(*facts.Document) error
}

// sections is the one table of what can be a gap, and who collects it.
// Everything else in the document (schema, collected_at, collectors, the
// units and their scalar keys) is always there.
func sections() []section {
	return []section{
		{"host", []string{"user"}, func(d *facts.Document) error { return absent(d.Host == nil) }},
		{"user", []string{"user"}, func(d *facts.Document) error { return absent(d.User == nil) }},
		{"manager", []string{"systemd"}, func(d *facts.Document) error { return absent(d.Manager == nil) }},
		{"declared", []string{"home-manager"}, func(d *facts.Document) error { return absent(d.Declared == nil) }},
		{"podman", []string{"podman"}, func(d *facts.Document) error { return absent(d.Podman == nil) }},
		{"history", []string{"history"}, func(d *facts.Document) error { return absent(d.History == nil) }},
		{"units.loaded", []string{"systemd"}, func(d *facts.Document) error {
			return lacking(d, func(u *facts.Unit) bool { return u.Loaded == nil })
		}},
		{"units.files", []string{"files"}, func(*facts.Document) error { return nil }},
		{"units.reload", []string{"files", "systemd"}, func(d *facts.Document) error {
			return lacking(d, func(u *facts.Unit) bool { return u.Reload == nil })
		}},
		{"units.containers", []string{"podman"}, func(*facts.Document) error { return nil }},
		{"units.services", []string{"applied"}, func(*facts.Document) error { return nil }},
		{"units.applied", []string{"applied", "files"}, func(*facts.Document) error { return nil }},
		{"units.probes", []string{"probes"}, func(*facts.Document) error { return nil }},
		{"units.history", []string{"history"}, func(d *facts.Document) error {
			return lacking(d, func(u *facts.Unit) bool { return u.History == nil })
		}},
	}
}

// SectionNames lists the sections as METADATA may name them.
func SectionNames() []string {
	var names []string
	for _, s := range sections() {
		names = append(names, s.name)
	}
	return names
}

func absent(yes bool) error {
	if yes {
		return fmt.Errorf("its collector says ok, but the document lacks it")
	}
	return nil
}

// lacking names the managed units without the section. A template has no
// loaded state of its own.
func lacking(doc *facts.Document, lacks func(*facts.Unit) bool) error {
	var names []string
	for i := range doc.Units {
		if u := &doc.Units[i]; u.IsManaged() && !u.Template && lacks(u) {
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

// Gap is a section that could not be collected.
type Gap struct {
	Section, Collector, Reason string
}

// GapsOf returns the document's gaps by section name.
func GapsOf(doc *facts.Document) map[string]Gap {
	gaps := map[string]Gap{}
	for _, s := range sections() {
		if g, ok := s.gap(doc); ok {
			gaps[s.name] = g
		}
	}
	return gaps
}

func (s section) gap(doc *facts.Document) (Gap, bool) {
	for _, name := range s.collectors {
		status, known := doc.Collectors[name]
		switch {
		case !known:
			return Gap{s.name, name, "the collector " + name + " did not run"}, true
		case !status.OK && status.Error == "":
			return Gap{s.name, name, "the collector " + name + " gave no reason"}, true
		case !status.OK:
			return Gap{s.name, name, status.Error}, true
		}
	}
	if err := s.present(doc); err != nil {
		return Gap{s.name, s.collectors[0], err.Error()}, true
	}
	return Gap{}, false
}
