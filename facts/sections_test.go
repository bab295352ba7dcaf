package facts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// whole is a document in which every section was collected, of one managed unit.
func whole() *Document {
	doc := &Document{
		Collectors: map[string]CollectorStatus{},
		Host:       &Host{}, User: &User{}, Manager: &Manager{}, ManagerFiles: &ManagerFiles{}, Declared: &Declared{}, Podman: &Podman{}, AutoUpdate: &AutoUpdate{}, History: &HostHistory{},
		Storage: &Storage{}, Local: new(map[string]LocalFact),
		Units: []Unit{{Name: "web.service", ManagedBy: ByConfig, Loaded: &Loaded{}, Reload: &Reload{}, Properties: &Properties{}, History: &History{}}},
	}
	for _, s := range Sections() {
		for _, name := range s.Collectors {
			doc.Collectors[name] = CollectorStatus{OK: true}
		}
	}
	return doc
}

func TestWholeDocumentHasNoGaps(t *testing.T) {
	if gaps := whole().Gaps(); len(gaps) != 0 {
		t.Errorf("got %v", gaps)
	}
}

func TestGaps(t *testing.T) {
	fails := func(collector, reason string) func(*Document) {
		return func(d *Document) { d.Collectors[collector] = CollectorStatus{Error: reason} }
	}
	cases := map[string]struct {
		change func(*Document)
		want   []string // "SECTION COLLECTOR: REASON"
	}{
		"podman is silent": {fails("podman", "no answer"), []string{"auto_update podman: no answer", "podman podman: no answer", "storage podman: no answer", "units.containers podman: no answer"}},
		"no reason":        {fails("home-manager", ""), []string{"declared home-manager: the collector home-manager gave no reason"}},
		"did not run":      {func(d *Document) { delete(d.Collectors, "probes") }, []string{"units.probes probes: the collector probes did not run"}},
		"depends on another collector": {fails("files", "denied"), []string{
			"manager_files files: denied", "units.applied files: denied", "units.files files: denied", "units.reload files: denied",
		}},
		"the first of two that failed": {func(d *Document) { fails("files", "denied")(d); fails("systemd", "no bus")(d) }, []string{
			"manager systemd: no bus", "manager_files files: denied", "units.applied files: denied", "units.files files: denied", "units.loaded systemd: no bus", "units.properties systemd: no bus",
			"units.reload files: denied",
		}},
		"ok, but the section is missing": {func(d *Document) { d.Declared = nil }, []string{
			"declared home-manager: its collector says ok, but the document lacks it",
		}},
		"ok, but a unit lacks it": {func(d *Document) { d.Units[0].Loaded = nil }, []string{"units.loaded systemd: not for web.service"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc := whole()
			c.change(doc)
			var got []string
			for section, g := range doc.Gaps() {
				if g.Section != section {
					t.Errorf("the gap of %s names %s", section, g.Section)
				}
				got = append(got, section+" "+g.Collector+": "+g.Reason)
			}
			slices.Sort(got)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestUnitsThatNeedNoSection: units that are not managed are only recorded, and a template
// has no loaded state.
func TestUnitsThatNeedNoSection(t *testing.T) {
	for name, u := range map[string]Unit{
		"not managed": {Name: "other.service"},
		"a template":  {Name: "work@.service", ManagedBy: ByHomeManager, Template: true},
	} {
		doc := whole()
		doc.Units = append(doc.Units, u)
		if gaps := doc.Gaps(); len(gaps) != 0 {
			t.Errorf("%s: got %v", name, gaps)
		}
	}
}

// TestManyUnitsWithoutASection: the reason stays short, and its order does not depend on
// that of the units.
func TestManyUnitsWithoutASection(t *testing.T) {
	doc := whole()
	doc.Units = nil
	for i := 8; i > 0; i-- {
		doc.Units = append(doc.Units, Unit{Name: fmt.Sprintf("u%d.service", i), ManagedBy: ByConfig, Loaded: &Loaded{}, Reload: &Reload{}})
	}
	const want = "not for u1.service, u2.service, u3.service, u4.service, u5.service, and 3 more"
	if got := doc.Gaps()["units.history"].Reason; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSectionNames(t *testing.T) {
	names := SectionNames()
	if len(names) != len(Sections()) || !slices.Contains(names, "units.loaded") || !slices.Contains(names, "manager") {
		t.Errorf("got %q", names)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) || strings.Count(name, ".") > 1 {
			t.Errorf("%s is there twice, or is not a name for METADATA", name)
		}
	}
}
