package stack

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// runs is a container of web.service as the facts have it.
func runs(service, state string) facts.Container {
	return facts.Container{Name: "web_" + service, Project: "web", Service: service, State: state}
}

func TestStatus(t *testing.T) {
	applied := birth
	recorded := func(step string, status int) *facts.Applied {
		return &facts.Applied{State: "recorded", At: &applied, Changed: []facts.AppliedFile{}, Step: step, Status: status}
	}
	cases := []struct {
		name   string
		unit   string // its active state
		change func(*facts.Document, *facts.Unit)
		want   Outcome
		words  string // of its problems and hint
	}{
		{"up", "active", func(_ *facts.Document, u *facts.Unit) { u.Applied = recorded("verify", 0) }, IsUp, ""},
		{"never applied", "active", func(*facts.Document, *facts.Unit) {}, IsUp, ""},
		{"its unit failed", "failed", func(*facts.Document, *facts.Unit) {}, UpButFailed, "journalctl --user -u web.service"},
		{"its verify failed", "active", func(_ *facts.Document, u *facts.Unit) { u.Applied = recorded("verify", 31) }, UpButFailed, "restart web.service"},
		{"its unit was stopped", "inactive", func(*facts.Document, *facts.Unit) {}, IsUp, ""},
		{"one service ended", "active", func(_ *facts.Document, u *facts.Unit) { u.Containers[1].State = "exited" }, Degraded, "container web_db has exited"},
		{"one ended, and its unit failed", "failed", func(_ *facts.Document, u *facts.Unit) { u.Containers[1].State = "exited" }, Degraded, "web_db"},
		{"one is still starting", "activating", func(_ *facts.Document, u *facts.Unit) { u.Containers[0].Health = "starting" }, Degraded, "not passed yet"},
		{"one has no container", "active", func(_ *facts.Document, u *facts.Unit) { u.Containers = u.Containers[:1] }, Degraded, "service db has 0 of 1"},
		{"all ended", "active", func(_ *facts.Document, u *facts.Unit) {
			u.Containers[0].State, u.Containers[1].State = "exited", "exited"
		}, Down, "systemctl --user restart web.service"},
		{"no container is left but the pod's own", "active", func(_ *facts.Document, u *facts.Unit) {
			u.Containers = []facts.Container{{Name: "infra", Infra: true, State: "running"}}
		}, Down, ""},
		{"no container is left but one of compose run", "active", func(_ *facts.Document, u *facts.Unit) {
			u.Containers = []facts.Container{{Name: "web_app_tmp4711", Service: "app", OneOff: true, State: "running"}}
		}, Down, ""},
		{"one of compose run, which has ended", "active", func(_ *facts.Document, u *facts.Unit) {
			u.Containers = append(u.Containers, facts.Container{Name: "web_app_tmp4711", Service: "app", OneOff: true, State: "exited", ExitCode: 1})
		}, IsUp, ""},
		{"one-shots alone, and all done", "active", func(_ *facts.Document, u *facts.Unit) {
			u.Containers = []facts.Container{runs("job", "exited")}
			u.Services = []facts.Service{{Name: "job", Containers: 1, OneShot: true}}
		}, IsUp, ""},
		{"podman hangs", "active", func(d *facts.Document, u *facts.Unit) {
			u.Containers = []facts.Container{}
			d.Podman, d.Collectors["podman"] = nil, facts.CollectorStatus{Error: "no answer within 6s"}
		}, Unknown, "no answer within 6s"},
		{"the manager is silent", "", func(d *facts.Document, u *facts.Unit) {
			u.Loaded, d.Collectors["systemd"] = nil, facts.CollectorStatus{Error: "nobody there"}
		}, Unknown, "nobody there"},
		{"no such unit in the facts", "", func(d *facts.Document, _ *facts.Unit) {
			d.Units, d.Collectors["systemd"] = nil, facts.CollectorStatus{Error: "nobody there"}
		}, Unknown, "nobody there"},
	}
	for _, c := range cases {
		testIn(t, c.name, func(t *testing.T, w *world) {
			doc := document(c.unit)
			u := &doc.Units[0]
			u.Services = []facts.Service{{Name: "app", Containers: 1}, {Name: "db", Containers: 1}}
			u.Containers = []facts.Container{runs("app", "running"), runs("db", "running")}
			c.change(doc, u)
			st, err := statusOf(t.Context(), rules{w.Policies}, w.web(nil), doc, nil)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(append(st.Problems, st.Hint), "\n")
			if st.Outcome() != c.want || st.State != c.want.Name || !strings.Contains(text, c.words) {
				t.Errorf("%s: %s\nwant %s and %q", st.State, text, c.want.Name, c.words)
			}
			if ok := c.want == IsUp; ok != (text == "") {
				t.Errorf("problems and hint of %s: %q", st.State, text)
			}
		})
	}
}

// Status writes what the facts say, and lists a service that has no container.
func TestStatusDescribes(t *testing.T) {
	w := newWorld(t)
	doc := document("active")
	u := &doc.Units[0]
	started := birth.Add(time.Hour)
	app := runs("app", "running")
	app.Health, app.Restarts, app.StartedAt = "healthy", 2, &started
	u.Containers = []facts.Container{app, {Name: "infra", Infra: true, State: "running"}}
	u.Services = []facts.Service{{Name: "app", Containers: 1}, {Name: "db", Containers: 1}}
	u.Applied = &facts.Applied{State: "recorded", At: &started, Changed: []facts.AppliedFile{}, Step: "verify", Status: 30, Message: "failed"}
	st, err := statusOf(t.Context(), rules{w.Policies}, w.web(nil), doc, []finding.Finding{
		{Invariant: "file_declared", Subject: "web.service", Effect: "block", Severity: "ticket", Message: "differs"},
		{Invariant: "links_resolve", Subject: "web.service", Effect: "allow"},
		{Invariant: "links_resolve", Subject: "other.service", Effect: "block", Severity: "page", Message: "another's"},
		{Invariant: gate, Subject: "web.service", Effect: "block", Severity: "page", Message: "a problem, told as one"},
		{Invariant: "linger_enabled", Subject: "web.service", Effect: "block", Severity: "unknown", Message: "a gap"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "stack": "web",
  "unit": "web.service",
  "state": "degraded",
  "active_state": "active",
  "result": "success",
  "services": [
    {
      "service": "app",
      "container": "web_app",
      "state": "running",
      "health": "healthy",
      "exit_code": 0,
      "restarts": 2,
      "started_at": "2026-01-01T01:00:00Z"
    },
    {
      "service": "db",
      "container": "",
      "state": "missing",
      "health": "",
      "exit_code": 0,
      "restarts": 0
    }
  ],
  "applied_at": "2026-01-01T01:00:00Z",
  "last_step": "verify",
  "last_status": 30,
  "last_message": "failed",
  "problems": [
    "web.service: service db has 0 of 1 containers"
  ],
  "audit": [
    {
      "invariant": "file_declared",
      "severity": "ticket",
      "message": "differs"
    }
  ],
  "hint": "see why: stackpolicy explain web.service stack_running"
}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// The facts are left as they are: several stacks share one snapshot.
func TestStatusLeavesTheFacts(t *testing.T) {
	w := newWorld(t)
	doc := document("active")
	doc.Units[0].Containers = []facts.Container{runs("app", "running")}
	before, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statusOf(t.Context(), rules{w.Policies}, w.web(nil), doc, nil); err != nil {
		t.Fatal(err)
	}
	if after, err := json.Marshal(doc); err != nil || string(after) != string(before) {
		t.Errorf("%v: the facts changed:\n%s\n%s", err, before, after)
	}
}
