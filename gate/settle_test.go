package gate

import (
	"slices"
	"testing"

	"stackpolicy/facts"
)

func TestUnsettled(t *testing.T) {
	unit := func(l facts.Loaded, containers ...facts.Container) *facts.Document {
		return &facts.Document{Units: []facts.Unit{{Name: "web.service", ManagedBy: "config", Loaded: &l, Containers: containers}}}
	}
	active := facts.Loaded{ActiveState: "active", SubState: "running"}
	activation := func(a facts.Activation) *facts.Document {
		return &facts.Document{Declared: &facts.Declared{Activation: a}}
	}
	named := func(name string, d *facts.Document) *facts.Document { d.Units[0].Name = name; return d }
	unmanaged := unit(facts.Loaded{ActiveState: "activating"})
	unmanaged.Units[0].ManagedBy = ""
	busy := unit(active)
	busy.Units[0].Applied = &facts.Applied{Busy: true}
	template := &facts.Document{Units: []facts.Unit{{Name: "a@.service", ManagedBy: "config", Template: true}}}
	cases := map[string]struct {
		doc  *facts.Document
		want string // "" for settled
	}{
		"nothing":             {&facts.Document{}, ""},
		"active":              {unit(active), ""},
		"failed":              {unit(facts.Loaded{ActiveState: "failed"}), ""},
		"a template":          {template, ""},
		"starting":            {unit(facts.Loaded{ActiveState: "activating", SubState: "start"}), "web.service is starting"},
		"stopping":            {unit(facts.Loaded{ActiveState: "deactivating"}), "web.service is stopping"},
		"reloading":           {unit(facts.Loaded{ActiveState: "reloading"}), "web.service is reloading"},
		"a job":               {unit(facts.Loaded{ActiveState: "inactive", Job: "start"}), "web.service has a start job"},
		"between two tries":   {unit(facts.Loaded{ActiveState: "activating", SubState: "auto-restart"}), "web.service waits for its next restart"},
		"not managed":         {unmanaged, ""},
		"stackctl is at work": {busy, "web.service is being applied or stopped by stackctl"},
		"the audit":           {named("stackpolicy-audit.service", unit(facts.Loaded{ActiveState: "activating"})), ""},
		"the watch":           {named("stackpolicy-watch.service", unit(facts.Loaded{ActiveState: "reloading"})), ""},
		"the caller's unit":   {named("self.service", unit(facts.Loaded{ActiveState: "activating"})), ""},
		"a backup": {
			unit(facts.Loaded{ActiveState: "activating", TriggeredBy: []string{"backup.timer"}}), "",
		},
		"what a timer and a target start": {
			unit(facts.Loaded{ActiveState: "activating", TriggeredBy: []string{"web.timer"}, WantedBy: []string{"default.target"}}), "web.service is starting",
		},
		"what a socket starts": {
			unit(facts.Loaded{ActiveState: "activating", TriggeredBy: []string{"web.socket"}}), "web.service is starting",
		},
		"health is not known yet": {
			unit(active, facts.Container{Name: "app", State: "running", Health: "starting"}), "web.service has the container app, whose health check has no result yet",
		},
		"health will never be known": {
			unit(active, facts.Container{Name: "app", State: "running", Health: "starting", Check: &facts.HealthCheck{Overdue: true}}), "",
		},
		"healthy":                     {unit(active, facts.Container{State: "running", Health: "healthy"}), ""},
		"unhealthy":                   {unit(active, facts.Container{State: "running", Health: "unhealthy"}), ""},
		"a container that is removed": {unit(active, facts.Container{Name: "old", State: "removing"}), "web.service has the container old, which is removing"},

		"an activation":         {activation(facts.Activation{State: "running"}), "an activation is running"},
		"half an activation":    {activation(facts.Activation{State: "half-finished"}), ""},
		"the current one":       {activation(facts.Activation{State: "current", Service: &facts.ActivationService{Generation: "/b", IsCurrent: true}}), ""},
		"not activated yet":     {activation(facts.Activation{State: "current", Service: &facts.ActivationService{Generation: "/b"}}), "the generation of the running system is not activated yet"},
		"its activation failed": {activation(facts.Activation{State: "failed", Service: &facts.ActivationService{Generation: "/b"}}), ""},
		"not known":             {activation(facts.Activation{State: "current", Service: &facts.ActivationService{}}), ""},
		"the manager starts":    {&facts.Document{Manager: &facts.Manager{State: "starting"}}, "the user manager is starting"},
		"degraded":              {&facts.Document{Manager: &facts.Manager{State: "degraded"}}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, w := range Unsettled(c.doc, "self.service") {
				got = append(got, w.String())
			}
			if want := slices.DeleteFunc([]string{c.want}, func(s string) bool { return s == "" }); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
