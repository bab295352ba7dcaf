package decide

import (
	"os"
	"slices"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/policies"
)

// situation is a good document that was changed: the last unit is web.service, a stack's
// oneshot that default.target wants and that runs two containers.
type situation struct{ *facts.Document }

func (s situation) web() *facts.Unit               { return &s.Units[len(s.Units)-1] }
func (s situation) loaded() *facts.Loaded          { return s.web().Loaded }
func (s situation) app() *facts.Container          { return &s.web().Containers[0] }
func (s situation) ago(d time.Duration) *time.Time { at := s.CollectedAt.Add(-d); return &at }

// is sets the state of web.service since some time ago.
func (s situation) is(active, sub string, since time.Duration) {
	l := s.loaded()
	l.ActiveState, l.SubState, l.StateChange, l.InactiveExit = active, sub, s.ago(since), s.ago(since)
}

// plain makes web.service a unit without containers, of this type, that stopped.
func (s situation) plain(kind string) {
	u := s.web()
	u.Stack, u.Containers, u.Services = "", []facts.Container{}, []facts.Service{}
	u.Loaded.Type, u.Loaded.RemainAfterExit = kind, false
	s.is("inactive", "dead", time.Hour)
}

// serves declares services of the stack, one container each.
func (s situation) serves(services ...facts.Service) {
	s.web().ServicesFrom, s.web().Services = facts.ServicesFromFiles, services
}

func (s situation) probe(p facts.Probe) { s.web().Probes = []facts.Probe{p} }

// asks labels the application for auto-update, after a run that ended an hour ago.
func (s situation) asks(policy string, built time.Duration) {
	s.app().AutoUpdate = policy
	s.app().ImageNow = &facts.ImageNow{ID: "bb", BuiltAt: s.ago(built)}
	s.Podman.AutoUpdateTimer = &facts.Activity{LoadState: "loaded", ActiveState: "active"}
	s.AutoUpdate.StartedAt, s.AutoUpdate.EndedAt = s.ago(time.Hour+time.Minute), s.ago(time.Hour)
}

// way is a way of being right that looks wrong, and one more change that makes it wrong: so
// it is not right because the invariant sees nothing.
type way struct {
	invariant, way string
	right, wrong   func(situation)
}

// passing are ways that pass soon: one invariant says so, by a ticket, and no other does.
var passing = map[string]string{
	"a manager that is starting":              "user_manager_running",
	"an activation that is running":           "activation_current",
	"a link into a generation that is coming": "activation_current",
}

var ways = []way{
	{"wanted_is_running", "a oneshot that is done", func(s situation) { s.plain("oneshot") }, func(s situation) { s.loaded().RemainAfterExit = true }},
	{"wanted_is_running", "a condition that is not met", func(s situation) { s.plain("exec"); s.loaded().Condition = "not-met" }, func(s situation) { s.loaded().Condition = "met" }},
	{"wanted_is_running", "an ExecCondition= that is not met", func(s situation) { s.plain("exec"); s.loaded().Result = "exec-condition" }, func(s situation) { s.loaded().Result = "success" }},
	{"wanted_is_running", "a service that a timer starts", func(s situation) { s.plain("exec"); s.loaded().TriggeredBy = []string{"web.timer"} }, func(s situation) { s.loaded().TriggeredBy = nil }},
	{"wanted_is_running", "a service that a socket starts", func(s situation) { s.plain("exec"); s.loaded().TriggeredBy = []string{"web.socket"} }, func(s situation) { s.loaded().TriggeredBy = nil }},
	{"wanted_is_running", "a service that a path starts", func(s situation) { s.plain("exec"); s.loaded().TriggeredBy = []string{"web.path"} }, func(s situation) { s.loaded().TriggeredBy = nil }},
	{"wanted_is_running", "a start that is queued", func(s situation) { s.plain("exec"); s.loaded().Job = "start" }, func(s situation) { s.loaded().Job = "" }},
	{"wanted_is_running", "a manager that is starting", func(s situation) { s.plain("exec"); s.Manager.State = "starting" }, func(s situation) { s.Manager.State = "running" }},
	{"wanted_is_running", "an activation that is running", func(s situation) { s.plain("exec"); s.Declared.Activation.State = "running" }, func(s situation) { s.Declared.Activation.State = "current" }},
	{"wanted_is_running", "a unit that nothing wants", func(s situation) { s.plain("exec"); s.loaded().WantedBy = nil }, func(s situation) { s.loaded().WantedBy = []string{"default.target"} }},
	{"wanted_is_running", "a held unit", func(s situation) {
		s.plain("exec")
		s.web().History.Exemptions = []facts.Exemption{{Reason: "new disk", Owner: "ada", Since: *s.ago(time.Hour), Until: *s.ago(-time.Hour)}}
	}, func(s situation) { s.web().History.Exemptions[0].Until = *s.ago(time.Minute) }},
	{"wanted_is_running", "a timer that is to elapse once", func(s situation) {
		s.plain("")
		s.is("active", "elapsed", time.Hour)
	}, func(s situation) { s.loaded().Repeats = true }},
	{"wanted_is_running", "a stack that is stopped, and that nothing wants", func(s situation) {
		s.is("inactive", "dead", time.Hour)
		s.loaded().WantedBy, s.web().Containers = nil, []facts.Container{}
	}, func(s situation) { s.loaded().WantedBy = []string{"default.target"} }},

	{"unit_not_flapping", "restarts of long ago", func(s situation) { s.loaded().Restarts, s.loaded().ActiveSince = 4000, s.ago(100*24*time.Hour) }, func(s situation) { s.loaded().ActiveSince = s.ago(time.Minute) }},
	{"unit_not_flapping", "a container that was restarted now and then", func(s situation) {
		s.app().Restarts, s.app().CreatedAt, s.app().StartedAt = 6, s.ago(90*24*time.Hour), s.ago(10*24*time.Hour)
	}, func(s situation) { s.app().Restarts, s.app().StartedAt = 6000, s.ago(time.Second) }},
	{"unit_not_flapping", "a first crash, just now", func(s situation) {
		s.plain("exec")
		s.is("activating", "auto-restart", time.Second)
		s.loaded().Restarts = 1
	}, func(s situation) { s.loaded().Restarts = 3 }},

	{"stack_running", "no health checks", func(s situation) { s.app().Health = "" }, func(s situation) { s.app().Health = "unhealthy" }},
	{"stack_running", "a health check that has not passed yet", func(s situation) { s.app().Health, s.app().Check = "starting", &facts.HealthCheck{IntervalSec: 30} }, func(s situation) { s.app().Check.Overdue = true }},
	{"stack_running", "a one-shot that is done", func(s situation) {
		s.serves(facts.Service{Name: "app", Containers: 1, OneShot: true}, facts.Service{Name: "db", Containers: 1})
		s.app().State, s.app().Health = "exited", ""
	}, func(s situation) { s.app().ExitCode = 1 }},
	{"stack_running", "a one-shot that is done and pruned", func(s situation) {
		s.serves(facts.Service{Name: "app", Containers: 1, OneShot: true}, facts.Service{Name: "db", Containers: 1})
		s.web().Containers = s.web().Containers[1:]
	}, func(s situation) { s.web().Services[0].OneShot = false }},
	{"stack_running", "a start under way, within its time", func(s situation) {
		s.is("activating", "start", 80*time.Second)
		s.app().State, s.app().Health = "created", ""
	}, func(s situation) { s.loaded().StateChange = s.ago(time.Hour) }},
	{"stack_running", "a stop under way, within its time", func(s situation) {
		s.is("deactivating", "stop", 20*time.Second)
		s.app().State, s.app().Health = "stopping", ""
	}, func(s situation) { s.is("active", "exited", time.Hour) }},
	{"stack_running", "an apply that replaces a container", func(s situation) {
		s.web().Applied = &facts.Applied{State: facts.AppliedRecorded, Busy: true, Changed: []facts.AppliedFile{}}
		s.app().State, s.app().Health = "removing", ""
	}, func(s situation) { s.web().Applied.Busy = false }},
	{"stack_running", "every service of the compose files", func(s situation) {
		s.serves(facts.Service{Name: "app", Containers: 1}, facts.Service{Name: "db", Containers: 1})
	}, func(s situation) { s.web().Services[0].Containers = 2 }},

	{"unit_not_failed", "the audit's own verdict", func(s situation) {
		s.plain("oneshot")
		s.web().Name = "stackpolicy-audit.service"
		s.is("failed", "failed", time.Minute)
		s.loaded().Result, s.loaded().ExitStatus = "exit-code", 2
	}, func(s situation) { s.loaded().ExitStatus = 1 }},
	{"unit_not_failed", "a reload that succeeded", func(s situation) { s.loaded().ReloadResult = "success" }, func(s situation) { s.loaded().ReloadResult = "exit-code" }},
	{"unit_not_failed", "a job that works for hours", func(s situation) {
		s.plain("oneshot")
		s.is("activating", "start", 5*time.Hour)
		s.loaded().TimeoutStartSec = -1
	}, func(s situation) { s.loaded().RemainAfterExit = true }},

	{"no_orphans", "a link into a generation that is coming", func(s situation) {
		s.web().ManagedBy = ""
		s.web().Files[0].State, s.web().Files[1].State = facts.StateOther, facts.StateOther
		s.Declared.Activation.State = "running"
		s.Declared.Activation.Ahead = []string{s.web().Files[0].Path, s.web().Files[1].Path}
		s.Podman.Unowned, s.web().Containers = nil, []facts.Container{}
	}, func(s situation) { s.Declared.Activation.Ahead = []string{} }},
	{"no_orphans", "a unit that runs, and is declared", func(s situation) { s.Manager.RunningNoFile = []string{"web.service"} }, func(s situation) { s.web().ManagedBy = "" }},

	{"images_current", "a paused update policy", func(s situation) { s.asks("disabled", 48*time.Hour) }, func(s situation) { s.app().AutoUpdate = "" }},
	{"images_current", "a new image before the next run", func(s situation) { s.asks("registry", time.Minute) }, func(s situation) { s.app().ImageNow.BuiltAt = s.ago(48 * time.Hour) }},
	{"images_current", "a name that means nothing now, or a digest", func(s situation) { s.asks("", time.Hour); s.app().ImageNow = nil }, func(s situation) { s.app().ImageNow = &facts.ImageNow{ID: "bb"} }},
	{"images_current", "the image that the name means", func(s situation) { s.asks("registry", 48*time.Hour); s.app().ImageNow.ID = s.app().ImageID }, func(s situation) { s.app().RolledBack = &facts.RolledBack{At: *s.ago(time.Hour)} }},
	{"auto_update_works", "no timer, and nobody asks", func(s situation) {}, func(s situation) { s.app().AutoUpdate = "registry" }},
	{"auto_update_works", "a failed run, and nobody asks", func(s situation) {
		s.asks("disabled", time.Hour)
		s.AutoUpdate.ActiveState, s.AutoUpdate.Result = "failed", "exit-code"
	}, func(s situation) { s.app().AutoUpdate, s.app().ImageNow = "registry", nil }},

	{"probes_answer", "no answer, just after the start", func(s situation) {
		s.probe(facts.Probe{Kind: "tcp", Target: "127.0.0.1:1", Expected: "a connection", Error: "refused"})
		s.loaded().ActiveSince = s.ago(30 * time.Second)
	}, func(s situation) { s.loaded().ActiveSince = s.ago(2 * time.Minute) }},
	{"probes_answer", "a certificate for more than a week", func(s situation) {
		s.probe(facts.Probe{Kind: "http", Target: "https://lab", OK: true, Status: 200, CertificateEnd: s.ago(-8 * 24 * time.Hour)})
	}, func(s situation) { s.web().Probes[0].CertificateEnd = s.ago(-6 * 24 * time.Hour) }},

	{"quadlets_generate", "a quadlet that becomes a unit", func(s situation) { s.web().Quadlet = true }, func(s situation) {
		s.web().QuadletErrors = []facts.QuadletError{{Path: "/q/web.container", Cause: "/q/web.container", Message: "unsupported key"}}
	}},

	{"storage_survives_reboot", "no podman", func(s situation) { s.Storage = &facts.Storage{} }, func(s situation) { s.Storage.RunRoot = &facts.FileSystem{Path: "/r", Type: "ext"} }},
	{"storage_survives_reboot", "a file system that does not limit files", func(s situation) { s.Storage.GraphRoot.Type, s.Storage.GraphRoot.FreeInodes = "btrfs", nil }, func(s situation) { s.Storage.GraphRoot.FreeMB = 999 }},
	{"storage_survives_reboot", "a runroot with little space", func(s situation) { s.Storage.RunRoot.FreeMB = 9 }, func(s situation) { s.Storage.RunRoot.Type = "overlay" }},

	{"activation_current", "no Home Manager", func(s situation) { s.Declared.Activation.State = "none" }, func(s situation) { s.Declared.Activation.State = "half-finished" }},
	{"activation_current", "the system's generation, or a specialisation", func(s situation) {
		s.Declared.Activation.Service = &facts.ActivationService{Name: "home-manager-alice.service", Generation: "/nix/store/b-home-manager-generation", IsCurrent: true}
	}, func(s situation) { s.Declared.Activation.Service.IsCurrent = false }},
	{"verify_gate_present", "a service that systemd itself watches", func(s situation) {
		s.loaded().Type, s.loaded().SubState, s.loaded().StartPost = "notify", "running", []facts.Command{}
	}, func(s situation) { s.loaded().Type = "oneshot" }},
	{"verify_gate_present", "a stop that leaves containers on a restart", func(s situation) {
		s.loaded().StartPre, s.loaded().Stop = []facts.Command{{Path: "/bin/stackctl"}}, []facts.StopCommand{{Path: "/bin/stackctl"}}
	}, func(s situation) { s.loaded().Stop[0].StopsContainers = "podman-compose down" }},
	{"applied_is_current", "a unit that does not call stackctl", func(s situation) { s.web().Applied = nil }, func(s situation) {
		s.loaded().Start = []facts.Command{{Path: "/bin/stackctl"}}
		s.web().Applied = &facts.Applied{State: facts.AppliedNone, Changed: []facts.AppliedFile{}}
	}},
	{"links_resolve", "a link that is what is declared", func(s situation) { s.web().Files[1].State = facts.StateIdentical }, func(s situation) { s.web().Files[1].State = facts.StateDangling }},
}

// TestWaysOfBeingRight: what is right in an unusual way is no finding of any invariant, and
// with one more change it is one of the invariant that the way is about.
func TestWaysOfBeingRight(t *testing.T) {
	p, err := Load(t.Context(), policies.FS, Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	open := func(t *testing.T, s situation) []string {
		names := []string{}
		result, err := p.Decide(t.Context(), s.Document)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range result.Decisions {
			if f.Counts() {
				names = append(names, f.Invariant)
				t.Logf("%s: %s", f.Invariant, f.Message)
			}
		}
		return names
	}
	for _, w := range ways {
		t.Run(w.invariant+"/"+w.way, func(t *testing.T) {
			s := situation{good(t)}
			w.right(s)
			want := []string{}
			if says := passing[w.way]; says != "" {
				want = append(want, says)
			}
			if names := open(t, s); !slices.Equal(names, want) {
				t.Errorf("it is right, and findings are of %v; want %v", names, want)
			}
			w.wrong(s)
			if names := open(t, s); !slices.Contains(names, w.invariant) {
				t.Errorf("then it is wrong, and a finding of %v only", names)
			}
		})
	}
}

// good is a document in which every invariant holds.
func good(t *testing.T) *facts.Document {
	t.Helper()
	f, err := os.Open("../testdata/facts/good.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := facts.Read(f.Name(), f)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestWaysOfEachInvariant: each invariant about whether something runs, or is current, has a
// way of being right.
func TestWaysOfEachInvariant(t *testing.T) {
	p, err := Load(t.Context(), policies.FS, Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	about := map[string]bool{}
	for _, w := range ways {
		about[w.invariant] = true
	}
	for _, inv := range p.Invariants() {
		if inv.Running && !about[inv.ID] {
			t.Errorf("no way of being right is about %s", inv.ID)
		}
		delete(about, inv.ID)
	}
	for id := range about {
		t.Errorf("a way is about %s, which does not exist", id)
	}
}
