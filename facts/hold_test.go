package facts

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHolds(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	unit := func(name string, exemptions ...Exemption) Unit {
		return Unit{Name: name, History: &History{Exemptions: exemptions}}
	}
	d := Document{Units: []Unit{
		unit("db.service", Exemption{Reason: "over", Until: now}),
		unit("feeds.service", Exemption{Invariant: "stack_running", Until: now.Add(time.Hour)}),
		{Name: "unknown.service"},
		unit("web.service", Exemption{Reason: "over", Until: now}, Exemption{Reason: "new disk", Owner: "ada", Until: now.Add(time.Hour), Declared: true}),
	}}
	if diff := cmp.Diff([]Hold{{"web.service", "new disk", "ada", now.Add(time.Hour)}}, d.Holds(now)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
