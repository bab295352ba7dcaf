package stack

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
	"stackpolicy/policies"
)

// story is what podman answers as time goes by.
type story struct {
	begin    time.Time
	chapters []chapter
}

// chapter is what podman answers from a time on: containers, an error, or nothing
// when it hangs.
type chapter struct {
	from       time.Duration
	containers []podman.Container
	err        error
	hangs      bool
}

func at(from time.Duration, containers ...podman.Container) chapter {
	return chapter{from: from, containers: containers}
}

func (s story) Containers(ctx context.Context) (podman.Listing, error) {
	now := s.chapters[0]
	for _, c := range s.chapters {
		if time.Since(s.begin) >= c.from {
			now = c
		}
	}
	if now.hangs {
		<-ctx.Done()
		return podman.Listing{}, ctx.Err()
	}
	return podman.Listing{Present: true, Transport: "socket", Containers: now.containers}, now.err
}

// birth is when containers were started, unless a test says otherwise.
var birth = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// one is a container of project web, as its changes make it.
func one(service, state string, changes ...func(*podman.Container)) podman.Container {
	c := podman.Container{
		ID: fmt.Sprintf("%064x", service), Name: "web_" + service, State: state, StartedAt: birth,
		Labels: map[string]string{podman.LabelProject: "web", podman.LabelService: service},
	}
	c.ID = c.ID[len(c.ID)-64:]
	for _, change := range changes {
		change(&c)
	}
	return c
}

func health(word string) func(*podman.Container) {
	return func(c *podman.Container) { c.Health = word }
}

func restartPolicy(word string) func(*podman.Container) {
	return func(c *podman.Container) { c.RestartPolicy = word }
}

func exit(code int) func(*podman.Container) {
	return func(c *podman.Container) { c.ExitCode = code }
}

func restarts(n int) func(*podman.Container) {
	return func(c *podman.Container) {
		c.Restarts, c.StartedAt = n, birth.Add(time.Duration(n)*time.Minute)
	}
}

// watching is a watcher of web.service, whose manager answered, through a story
// that begins now.
func (w *world) watching(s Stack, services []facts.Service, chapters ...chapter) *watcher {
	watcher := newWatcher(w.Env, story{time.Now(), chapters}, rules{w.Policies}, s, services)
	watcher.env.Config = config.Config{Stacks: map[string]config.Stack{"web": s.Stack}}
	watcher.doc = document("activating")
	return watcher
}

// document is a snapshot in which the manager knows web.service, and podman has no
// container.
func document(state string) *facts.Document {
	ok := facts.CollectorStatus{OK: true}
	return &facts.Document{
		Schema: facts.Schema, CollectedAt: birth,
		Collectors: map[string]facts.CollectorStatus{"systemd": ok, "files": ok, "applied": ok, "podman": ok, "probes": ok},
		Podman:     &facts.Podman{Present: true, Unowned: []facts.Container{}},
		Units: []facts.Unit{{
			Name: "web.service", ManagedBy: "config", Stack: "web",
			Loaded:     &facts.Loaded{LoadState: "loaded", ActiveState: state, SubState: "start-post", Result: "success"},
			Containers: []facts.Container{}, Services: []facts.Service{}, Probes: []facts.Probe{},
		}},
	}
}

// rules replaces the policies by the built-in ones with another stack_running;
// "" is none.
func (w *world) rules(rule string) {
	w.t.Helper()
	const path = "invariants/stack_running/"
	files := fstest.MapFS{}
	err := fs.WalkDir(policies.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(policies.FS, name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if files[path+"stack_running.rego"].Data = []byte(rule); rule == "" {
		delete(files, path+"stack_running.rego")
		delete(files, path+"stack_running.md")
	}
	if w.Policies, err = decide.Load(w.t.Context(), files, decide.Options{Trusted: true}); err != nil {
		w.t.Fatal(err)
	}
}

// ruled is a stack_running of an operator's own.
func ruled(body string) string {
	return `# METADATA
# title: an operator's own
# description: an operator's own
# schemas:
#   - input: schema.facts
# custom:
#   class: stack
#   severity: page
#   needs: [units.loaded, units.containers]
#   actions: []
#   runbook: stack_running.md
package stackpolicy.invariants.stack_running

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": message,
	"evidence": {"expected": "what the operator wants", "found": "something else"},
} if {
	some unit in input.units
	unit.managed_by != ""
` + body + "}\n"
}

func testIn(t *testing.T, name string, test func(*testing.T, *world)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t))
	})
}
