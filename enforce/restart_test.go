package enforce

import (
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

func TestRestartRefuses(t *testing.T) {
	refusesAll(t, finding.Restart, []refusedCase{
		{name: "finding gone meanwhile", gone: true, says: "no longer asked for"},
		{name: "provenance blocked", says: "not in order (file_declared): a foreign file",
			beside: []finding.Finding{block("provenance", "web.service", "page")}},
		{name: "provenance undecided for all", says: "not in order (file_declared)",
			beside: []finding.Finding{block("provenance", "host", "unknown")}},
		{name: "stopped", says: "web.service is inactive: a stopped unit is never started",
			unit: func(u *facts.Unit) { u.Loaded.ActiveState = "inactive" }},
		{name: "failed", says: "web.service is failed", unit: func(u *facts.Unit) { u.Loaded.ActiveState = "failed" }},
		{name: "on its way up", says: "is activating", unit: func(u *facts.Unit) { u.Loaded.ActiveState = "activating" }},
		{name: "not opted in", subject: "files.service", says: "files.service is not opted in; list it under settings.restart",
			doc: func(d *facts.Document) {
				u := web()
				u.Name = "files.service"
				d.Units = append(d.Units, u)
			}},
		{name: "unmanaged", says: "is not a managed unit", unit: func(u *facts.Unit) { u.ManagedBy = "" }},
		{name: "held", says: "web.service is held until 2100-01-01T00:00:00Z: new disk",
			unit: func(u *facts.Unit) {
				u.History = &facts.History{Exemptions: []facts.Exemption{{Reason: "new disk", Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}}}
			}},
		{name: "an undeclared drop-in in force, which no rule finds", says: "/etc/x.conf is in force for web.service and not declared (undeclared)",
			unit: with(facts.File{Path: "/etc/x.conf", Role: facts.RoleDropIn, Origin: facts.OriginEtc, State: facts.StateUndeclared, Loaded: true, Effective: true})},
		{name: "an undeclared drop-in that is gone from disk, and in force", says: "/etc/x.conf is in force",
			unit: with(facts.File{Path: "/etc/x.conf", Role: facts.RoleDropIn, State: facts.StateUndeclared, Loaded: true})},
		{name: "an undeclared link of its own", says: "is in force for web.service",
			unit: with(facts.File{Path: "/etc/web.service.wants/x.service", Role: facts.RoleOwnWants, Of: "x.service", State: facts.StateUndeclared, Effective: true})},
		{name: "another file in the declared one's place", says: "(different)", unit: func(u *facts.Unit) { u.Files[0].State = facts.StateDifferent }},
		{name: "stale, which no rule finds", says: "does not run by what is on disk", unit: func(u *facts.Unit) { u.Loaded.NeedDaemonReload = true }},
		{name: "masked", says: "web.service is masked in the manager", unit: func(u *facts.Unit) { u.Loaded.LoadState = "masked" }},
		{name: "its compose file is gone, which no rule asks about", says: "its preflight would refuse the start: /srv/compose.yaml (compose) is missing",
			unit: func(u *facts.Unit) {
				u.Applied = &facts.Applied{Unusable: []facts.BadFile{{Path: "/srv/compose.yaml", Role: "compose", Reason: "is missing"}}}
			}},
		{name: "its files are not known", says: "it is not known whether web.service can be applied: silent", doc: gapIn("applied")},
		{name: "it would start what is stopped", says: "would start evil.service, which is stopped: web.service pulls it in (wants), and no declared file says so",
			unit: func(u *facts.Unit) {
				u.Loaded.Pulls = []facts.Pull{{Unit: "evil.service", Kind: "wants", ActiveState: "inactive"}}
			}},
		{name: "it would start what is not in memory", says: "would start evil.service",
			unit: func(u *facts.Unit) { u.Loaded.Pulls = []facts.Pull{{Unit: "evil.service", Kind: "binds-to"}} }},
		{name: "it would start a declared unit that is stopped", says: "would start db.service, which is stopped: web.service pulls it in (requires)",
			unit: func(u *facts.Unit) {
				u.Loaded.Pulls = []facts.Pull{{Unit: "db.service", Kind: "requires", LoadState: "loaded", ActiveState: "inactive", Declared: true}}
			}},
		{name: "it would start a declared unit that failed", says: "would start db.service",
			unit: func(u *facts.Unit) {
				u.Loaded.Pulls = []facts.Pull{{Unit: "db.service", Kind: "wants", LoadState: "loaded", ActiveState: "failed", Declared: true}}
			}},
		{name: "it requires what cannot be loaded", says: "would start db.service",
			unit: func(u *facts.Unit) {
				u.Loaded.Pulls = []facts.Pull{{Unit: "db.service", Kind: "requires", LoadState: "not-found", ActiveState: "inactive", Declared: true}}
			}},
		{name: "it would run a oneshot that is not declared", says: "would start job.service",
			unit: func(u *facts.Unit) {
				u.Loaded.Pulls = []facts.Pull{{Unit: "job.service", Kind: "wants", LoadState: "loaded", ActiveState: "inactive"}}
			},
			doc: func(d *facts.Document) { d.Units = append(d.Units, done("job.service")) }},
		{name: "it would start what a oneshot pulls in that it would run", says: "job.service pulls it in (requires)",
			unit: func(u *facts.Unit) {
				u.Loaded.Pulls = []facts.Pull{{Unit: "job.service", Kind: "wants", LoadState: "loaded", ActiveState: "inactive", Declared: true}}
			},
			doc: func(d *facts.Document) {
				d.Units = append(d.Units, done("job.service", facts.Pull{Unit: "web.service", Kind: "wants", ActiveState: "active"},
					facts.Pull{Unit: "evil.service", Kind: "requires", ActiveState: "failed"}))
			}},
		{name: "unheard of", subject: "nowhere.service", says: "is not a managed unit"},
		{name: "the host", subject: "host", says: "host is not a managed unit"},
	})
}

func with(f facts.File) func(*facts.Unit) {
	return func(u *facts.Unit) { u.Files = append(u.Files, f) }
}

// TestRestartsAsDeclared: what runs is not started; a drop-in of the distribution's is nobody's drift.
func TestRestartsAsDeclared(t *testing.T) {
	for name, change := range map[string]func(*facts.Unit){
		"a wish for a unit that does not exist": func(u *facts.Unit) {
			u.Loaded.Pulls = []facts.Pull{{Unit: "db.service", Kind: "wants", LoadState: "not-found", ActiveState: "inactive", Declared: true}}
		},
		"a wish for a unit that is masked": func(u *facts.Unit) {
			u.Loaded.Pulls = []facts.Pull{{Unit: "db.service", Kind: "wants", LoadState: "masked", ActiveState: "inactive", Declared: true}}
		},
		"an undeclared one that runs": func(u *facts.Unit) {
			u.Loaded.Pulls = []facts.Pull{{Unit: "db.service", Kind: "wants", ActiveState: "active"}}
		},
		"the distribution's drop-in": with(facts.File{
			Path: "/usr/lib/systemd/user/service.d/a.conf", Role: facts.RoleDropIn, Origin: facts.OriginDistribution,
			State: facts.StateUndeclared, Loaded: true, Effective: true,
		}),
		"an undeclared drop-in out of force": with(facts.File{Path: "/etc/x.conf", Role: facts.RoleDropIn, State: facts.StateUndeclared}),
	} {
		t.Run(name, func(t *testing.T) {
			u := web()
			change(&u)
			m := &manager{}
			got, _ := run(t, m, seen(sound(u), heal("web.service", "restart")))
			want(t, got, m, []string{Done}, "restart web.service")
		})
	}
}

// done is a oneshot that has run to its end, and what it pulls in.
func done(name string, pulls ...facts.Pull) facts.Unit {
	u, at := web(), now.Add(-time.Minute)
	u.Name, u.Loaded = name, &facts.Loaded{
		LoadState: "loaded", ActiveState: "inactive", Type: "oneshot", Result: "success", InactiveExit: &at, Pulls: pulls,
	}
	return u
}

// TestRestartRunsWhatIsDone: a declared oneshot that ended is not stopped, and what an
// active unit pulls in is not started.
func TestRestartRunsWhatIsDone(t *testing.T) {
	u, db := web(), web()
	db.Name, db.Loaded = "db.service", &facts.Loaded{LoadState: "loaded", ActiveState: "active", Pulls: []facts.Pull{
		{Unit: "helper.service", Kind: "wants", LoadState: "loaded", ActiveState: "inactive", Declared: true},
	}}
	u.Loaded.Pulls = []facts.Pull{
		{Unit: "job.service", Kind: "wants", LoadState: "loaded", ActiveState: "inactive", Declared: true},
		{Unit: "db.service", Kind: "wants", LoadState: "loaded", ActiveState: "active", Declared: true},
	}
	m := &manager{}
	got, _ := run(t, m, seen(sound(u, db, done("job.service", facts.Pull{Unit: "web.service", Kind: "wants", ActiveState: "active"})), heal("web.service", "restart")))
	want(t, got, m, []string{Done}, "restart web.service")
}

// TestRestartAfterAReload: in a preview, a reload that comes first makes the unit
// current.
func TestRestartAfterAReload(t *testing.T) {
	u := web()
	u.Loaded.NeedDaemonReload = true
	o := seen(sound(u), heal("web.service", "daemon-reload"), heal("web.service", "restart"))
	want(t, Enforcer{Settings: settings}.Preview(Plan(o.Result.Decisions), o), &manager{}, []string{Planned, Planned})
}
