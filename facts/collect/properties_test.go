package collect

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
)

func TestPropertiesFrom(t *testing.T) {
	pointer := func(n int64) *int64 { return &n }
	half, later := 50.0, noon.Add(time.Hour)
	none := facts.Properties{Requires: []string{}, BindsTo: []string{}, Wants: []string{}, PartOf: []string{}, After: []string{}, Before: []string{}}
	with := func(change func(*facts.Properties)) facts.Properties { p := none; change(&p); return p }
	for name, c := range map[string]struct {
		details systemd.Details
		want    facts.Properties
	}{
		"a target": {systemd.Details{After: []string{"b.target", "a.target"}}, with(func(p *facts.Properties) { p.After = []string{"a.target", "b.target"} })},
		"a service with limits": {systemd.Details{Service: &systemd.ServiceDetails{
			MemoryMax: 1 << 30, MemoryCurrent: 123_456, TasksMax: 7, CPUQuota: 500 * time.Millisecond, Restart: "always", ExitCode: 2, ExitStatus: 9, ExitedAt: noon,
		}}, with(func(p *facts.Properties) {
			p.MemoryMax, p.MemoryCurrent, p.TasksMax, p.CPUQuotaPercent = pointer(1<<30), pointer(120_000), pointer(7), &half
			p.Restart, p.LastExit = "always", &facts.Exit{Code: "killed", Status: 9, At: noon}
		})},
		"a service without": {systemd.Details{Service: &systemd.ServiceDetails{MemoryMax: -1, MemoryCurrent: -1, TasksMax: -1, CPUQuota: -1, Restart: "no"}},
			with(func(p *facts.Properties) { p.Restart = "no" })},
		"a timer by the calendar": {systemd.Details{Timer: &systemd.TimerDetails{Last: noon, Next: later}},
			with(func(p *facts.Properties) { p.Timer = &facts.Timer{Last: &noon, Next: &later} })},
		"a timer by the clock since boot": {systemd.Details{Timer: &systemd.TimerDetails{NextMonotonic: time.Hour}},
			with(func(p *facts.Properties) { p.Timer = &facts.Timer{Next: &later} })},
		"a timer by both": {systemd.Details{Timer: &systemd.TimerDetails{Next: later.Add(time.Hour), NextMonotonic: time.Hour}},
			with(func(p *facts.Properties) { p.Timer = &facts.Timer{Next: &later} })},
		"a timer that is done": {systemd.Details{Timer: &systemd.TimerDetails{Last: noon}}, with(func(p *facts.Properties) { p.Timer = &facts.Timer{Last: &noon} })},
	} {
		if d := cmp.Diff(c.want, propertiesFrom(c.details, noon)); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// detailed is a manager that knows no details, or fails.
type detailed struct {
	asked []string
	err   error
}

func (d *detailed) Details(_ context.Context, names []string) ([]systemd.Details, error) {
	d.asked = names
	return make([]systemd.Details, len(names)), d.err
}

// TestProperties: only units that are managed and loaded are asked for, and only if a rule
// reads them.
func TestProperties(t *testing.T) {
	doc := newDocument(noon)
	doc.Units = []facts.Unit{
		{Name: "web.service", ManagedBy: facts.ByConfig, Loaded: &facts.Loaded{}}, {Name: "w@.service", ManagedBy: facts.ByConfig, Template: true},
		{Name: "other.service", Loaded: &facts.Loaded{}},
	}
	manager := &detailed{}
	found, err := propertiesOf(t.Context(), manager, detailedUnits(doc))
	if err != nil || !slices.Equal(manager.asked, []string{"web.service"}) {
		t.Fatalf("asked for %q, %v", manager.asked, err)
	}
	found.fill(doc)
	if doc.Units[0].Properties == nil || doc.Units[1].Properties != nil || doc.Units[2].Properties != nil {
		t.Errorf("filled %+v", doc.Units)
	}
	if _, err := propertiesOf(t.Context(), &detailed{err: errors.New("denied")}, []string{"web.service"}); err == nil {
		t.Error("a manager that fails is no error")
	}
	AddOptional(t.Context(), testEnvironment(t), doc, func(string) bool { return false })
	if len(doc.Collectors) != 0 {
		t.Errorf("nothing reads them, and these ran: %v", doc.Collectors)
	}
	AddOptional(t.Context(), testEnvironment(t), doc, all) // there is no manager
	if status := doc.Collectors["properties"]; status.OK || status.Error == "" {
		t.Errorf("without a manager: %+v", status)
	}
	doc.Collectors["systemd"] = facts.CollectorStatus{Error: "no bus"}
	AddOptional(t.Context(), testEnvironment(t), doc, all)
	if status := doc.Collectors["properties"]; status.Error != "rests on the systemd collector: no bus" {
		t.Errorf("after the manager did not answer: %+v", status)
	}
}
