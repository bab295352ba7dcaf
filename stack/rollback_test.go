package stack

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/internal/podman"
)

// rolling is a world whose stack was applied and verified by one start of its unit,
// and then applied in another way by the next one. Its containers can come back.
func rolling(t *testing.T, change func(*world)) (*world, Stack, *rollback) {
	t.Helper()
	w := newWorld(t)
	w.Invocation = "first"
	s := w.web(func(s *config.Stack) { s.OnFailure = config.Rollback })
	want(t, w.apply(s), Applied)
	w.keeps(s)
	before := w.details()

	w.Invocation = "second"
	change(w)
	want(t, w.apply(s), Applied)
	project, _ := s.load(t.Context(), w.Environ)
	b := &rollback{
		operator: w.Operator, stack: s, attempted: w.record(), project: project, moved: map[string]string{},
		why:    s.failed("verify", Problem{Outcome: ServiceDown, Message: "failed after 4s: web_app exited", Details: []string{"no such table"}}),
		verify: func(_ context.Context, s Stack) Report { return s.report("verify", Verified, "up") },
	}
	w.writeJSON("after.json", before)
	return w, s, b
}

// keeps saves what is verified now.
func (w *world) keeps(s Stack) {
	w.t.Helper()
	project, bad := s.load(w.t.Context(), w.Environ)
	if bad != nil {
		w.t.Fatal(bad)
	}
	if err := w.keep(w.t.Context(), s, project); err != nil {
		w.t.Fatal(err)
	}
}

func otherCommand(w *world) {
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, command: [x]}}\n", 0o644)
}

func TestRollback(t *testing.T) {
	w, s, b := rolling(t, otherCommand)
	before := b.attempted.Services[0].Definition
	want(t, b.recorded(t.Context()), RolledBack, "rolled back to what was applied 20", "failed after 4s: web_app exited", "no such table", "restart web.service")

	r := w.record()
	if back := r.RolledBack; back == nil || back.Definition != b.attempted.Definition || back.Message != b.why.Message {
		t.Errorf("recorded %+v", back)
	}
	if r.Definition == b.attempted.Definition || r.Services[0].Definition == before || r.Invocation != "second" {
		t.Errorf("recorded the definition that failed: %+v", r)
	}
	if r.Last.Step != "verify" || r.Last.Status != RolledBack.Status {
		t.Errorf("recorded how it ended: %+v", r.Last)
	}
	if left, _ := os.ReadDir(w.path("run/stackpolicy")); slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), ".yaml") }) {
		t.Errorf("files with secrets are left: %v", left)
	}

	// By hand it is not verified afterwards, whatever the file says now.
	w.Invocation = ""
	want(t, w.verifyUp(s), NotApplied, "it was rolled back", "web_app exited")
	if err := w.recorder().verified(s, s.report("verify", Verified, "up")); err != nil || w.last().Status != RolledBack.Status {
		t.Errorf("a verify by hand hides it: %+v, %v", w.last(), err)
	}

	// The next apply that succeeds ends it.
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, command: [y]}}\n", 0o644)
	want(t, w.apply(s), Applied)
	if w.record().RolledBack != nil {
		t.Error("it is still recorded")
	}
}

// The name means the image of then again.
func TestRollbackOfAnImage(t *testing.T) {
	w, _, b := rolling(t, func(w *world) {
		w.write("images.before", `[{"Id":"`+image+`"}]`, 0o644)
		w.images(other)
		w.from = other
	})
	want(t, b.recorded(t.Context()), RolledBack)
	if tagged, err := os.ReadFile(w.path("tagged")); err != nil || string(tagged) != "tag -- "+image+" localhost/app:1\n" {
		t.Errorf("tagged %q, %v", tagged, err)
	}
}

func TestRollbackThatIsNotUp(t *testing.T) {
	w, _, b := rolling(t, otherCommand)
	b.verify = func(_ context.Context, s Stack) Report {
		return s.failed("verify", Problem{Outcome: ServiceDown, Message: "failed after 2s: web_app exited", Details: []string{"newer data"}})
	}
	want(t, b.recorded(t.Context()), BackFailed, "which is not up: failed after 2s", "newer data", "no such table")
	if w.last().Status != BackFailed.Status {
		t.Errorf("recorded %+v", w.last())
	}
}

// A unit that is stopped meanwhile has not failed.
func TestRollbackToldToStop(t *testing.T) {
	w, _, b := rolling(t, otherCommand)
	w.manager.job = "stop"
	b.verify = func(_ context.Context, s Stack) Report { return s.report("verify", VerifyCut, "told to stop") }
	want(t, b.recorded(t.Context()), UnitStopped)

	w, _, b = rolling(t, otherCommand)
	w.manager.job = "stop"
	ctx, cancel := context.WithCancel(t.Context())
	w.write("up", "#!/bin/sh\nexec sleep 60\n", 0o755)
	w.Output = func(string) { cancel() }
	want(t, b.recorded(ctx), UnitStopped)
}

func TestRollbackThatFails(t *testing.T) {
	w, _, b := rolling(t, otherCommand)
	w.write("up", "#!/bin/sh\necho no more >&2\nexit 7\n", 0o755)
	want(t, b.recorded(t.Context()), BackFailed, "the rollback failed", "no more", "no such table")
	if w.record().RolledBack != nil || w.last().Status != BackFailed.Status {
		t.Errorf("recorded %+v", w.record())
	}
}

// killedAt names, in the environment of a child of the test, where that is killed.
const killedAt = "STACKPOLICY_TEST_KILLED_AT"

// A rollback that is killed is made again by the next start, or was made.
func TestRollbackThatIsKilled(t *testing.T) {
	if at := os.Getenv(killedAt); at != "" {
		rollBackKilled(t, at)
		return
	}
	cases := map[string]struct {
		last Outcome
		next Outcome // of the preflight of the next automatic start
	}{
		"at work":              {ApplyCut, Ready},
		"while it is verified": {BackFailed, HeldBack},
	}
	for at, c := range cases {
		t.Run(at, func(t *testing.T) {
			w := leftBy(t, at)
			s := w.web(func(s *config.Stack) { s.OnFailure = config.Rollback })
			if r := w.record(); r.Last.Status != c.last.Status || (r.RolledBack != nil) != (c.next == HeldBack) {
				t.Errorf("recorded %+v", r)
			}
			otherCommand(w)
			w.manager.restarts, w.Invocation = 1, "third"
			want(t, w.Preflight(t.Context(), s), c.next)
			if c.next != Ready {
				return
			}
			want(t, w.apply(s), Applied)
			project, _ := s.load(t.Context(), w.Environ)
			down := s.failed("verify", Problem{Outcome: ServiceDown, Message: "failed after 4s: web_app exited"})
			b := &rollback{
				operator: w.Operator, stack: s, attempted: w.record(), project: project, moved: map[string]string{}, why: down,
				verify: func(_ context.Context, s Stack) Report { return s.report("verify", Verified, "up") },
			}
			w.write("compose.yaml", "services: {app: {image: localhost/app:1}}\n", 0o644)
			w.writeJSON("after.json", w.details())
			want(t, b.recorded(t.Context()), RolledBack)
		})
	}
}

// rollBackKilled makes a rollback that kills its own process.
func rollBackKilled(t *testing.T, at string) {
	w, _, b := rolling(t, otherCommand)
	if at == "at work" {
		w.write("up", "#!/bin/sh\n[ \"$1\" = version ] || kill -KILL $PPID\n", 0o755)
	}
	b.verify = func(context.Context, Stack) Report {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	t.Errorf("it was not killed: %+v", b.recorded(t.Context()))
}

// leftBy is the world that a killed rollback leaves behind.
func leftBy(t *testing.T, at string) *world {
	t.Helper()
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRollbackThatIsKilled$")
	child.Env = append(os.Environ(), "TMPDIR="+dir, killedAt+"="+at)
	out, err := child.CombinedOutput()
	if child.ProcessState == nil || child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v\n%s", err, out)
	}
	records, err := filepath.Glob(filepath.Join(dir, "*", "*", "state"))
	if err != nil || len(records) != 1 {
		t.Fatalf("found %q, %v", records, err)
	}
	return worldIn(t, filepath.Dir(records[0]))
}

// What prevents a rollback, before a container is touched. The failure
// stays what it was.
func TestNotRolledBack(t *testing.T) {
	cases := []struct {
		name    string
		arrange func(*testing.T, *world, *rollback)
		words   string
	}{
		{"nothing was verified", func(_ *testing.T, w *world, _ *rollback) { _ = os.Remove(applied.VerifiedPath(w.Env.StateHome, "web")) }, "nothing was verified before"},
		{"damaged", func(_ *testing.T, w *world, _ *rollback) { w.write("state/stackpolicy/verified/web.json", "{", 0o600) }, "verified/web.json"},
		{"the same", func(t *testing.T, w *world, b *rollback) {
			v, err := applied.ReadVerified(w.Env.StateHome, "web")
			if err != nil {
				t.Fatal(err)
			}
			b.attempted.Definition = v.Record.Definition
		}, "what was verified before is the same"},
		{"a migration at work", func(_ *testing.T, _ *world, b *rollback) { b.project.Services[0].OneShot = true }, "one-shot web_app is still at work"},
		{"the image is gone", func(_ *testing.T, w *world, _ *rollback) { w.images("") }, "the image that localhost/app:1 meant is gone"},
		{"podman does not answer", func(_ *testing.T, w *world, _ *rollback) { w.write("ps.json", "nonsense", 0o644) }, "nonsense"},
	}
	for _, c := range cases {
		testIn(t, c.name, func(t *testing.T, _ *world) {
			w, _, b := rolling(t, otherCommand)
			c.arrange(t, w, b)
			w.write("up", provider, 0o755)
			want(t, b.recorded(t.Context()), ServiceDown, "failed after 4s: web_app exited; not rolled back: ", c.words)
			if _, err := os.Stat(w.path("calls")); err == nil {
				t.Error("containers were touched")
			}
		})
	}
}

// An apply that fails after it touched containers is undone as well; by default it
// is not, and says so.
func TestApplyUndoes(t *testing.T) {
	for onFailure, word := range map[string]string{
		config.Keep: "; not rolled back: on_failure is keep", config.Rollback: "; not rolled back: nothing was verified before",
	} {
		w := newWorld(t)
		w.write("up", "#!/bin/sh\nexit 7\n", 0o755)
		r := w.apply(w.web(func(s *config.Stack) { s.OnFailure = onFailure }))
		want(t, r, ApplyFailed, word, "put the older compose files back, then: systemctl --user restart web.service")
	}
}

// Verify undoes only what the same start of the unit applied.
func TestVerifyUndoesItsOwnApply(t *testing.T) {
	for invocation, undone := range map[string]bool{"second": true, "third": false, "": false} {
		w, s, b := rolling(t, otherCommand)
		w.Invocation = invocation
		_ = os.Remove(applied.VerifiedPath(w.Env.StateHome, "web"))
		for outcome, may := range map[Outcome]bool{ServiceDown: true, NotInTime: true, CannotLook: false, VerifyCut: false, NotApplied: false} {
			b.why.Outcome = outcome
			r := w.undoVerified(t.Context(), s, b.why, b.project)
			if got := strings.Contains(r.Message, "not rolled back"); got != (undone && may) {
				t.Errorf("invocation %q, %s: %q", invocation, outcome.Name, r.Message)
			}
		}
	}
}

// What is saved is what was verified, and is private. Other variables than those of
// the apply save nothing.
func TestKeep(t *testing.T) {
	w := newWorld(t)
	w.Environ = append(w.Environ, "A=1")
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, environment: [\"A=$A\"]}}\n", 0o644)
	s := w.web(func(s *config.Stack) { s.OnFailure = config.Rollback })
	want(t, w.apply(s), Applied)
	w.Environ = append(w.Environ[:len(w.Environ)-1], "A=2")
	w.keeps(s)
	path := applied.VerifiedPath(w.Env.StateHome, "web")
	if _, err := os.Stat(path); err == nil {
		t.Error("saved what was not applied")
	}
	w.Environ = append(w.Environ[:len(w.Environ)-1], "A=1")
	w.keeps(s)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	s.OnFailure = config.Keep
	w.keeps(s)
	if _, err := os.Stat(path); err == nil {
		t.Error("secrets stay where nobody asks for them")
	}
}

// Containers that are of another definition than the record says are not saved as
// what was verified.
func TestKeepLooksAtContainers(t *testing.T) {
	w := newWorld(t)
	s := w.web(func(s *config.Stack) { s.OnFailure = config.Rollback })
	want(t, w.apply(s), Applied)
	recorded, err := os.ReadFile(w.path("compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	otherCommand(w)
	w.contains(container{"app", "running"})
	w.write("compose.yaml", string(recorded), 0o644)
	w.keeps(s)
	path := applied.VerifiedPath(w.Env.StateHome, "web")
	if _, err := os.Stat(path); err == nil {
		t.Error("saved containers that nobody applied")
	}
	w.contains(container{"app", "running"})
	w.keeps(s)
	if _, err := os.Stat(path); err != nil {
		t.Error("the same containers as recorded are not saved: ", err)
	}
}

// The saved file means the same containers. One-shots are not in it.
func TestFixedIsTheSame(t *testing.T) {
	w := newWorld(t)
	w.write("app.env", "SECRET=pa$$word\nEMPTY=\n", 0o644)
	w.write("compose.yaml", `services:
  app:
    build: {context: .}
    env_file: app.env
    environment: {PRICE: "5$$", UNSET: }
    command: ["sh", "-c", "echo $${HOME}"]
    ports: ["127.0.0.1:8080:80", "9000-9001:9000-9001/udp"]
    volumes: ["data:/data", "./conf:/conf:ro", "/cache"]
    depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy}}
    healthcheck: {test: ["CMD", "true"], interval: 3s}
    stop_grace_period: 1m30s
    deploy: {replicas: 2, resources: {limits: {memory: 64M}}}
    secrets: [token]
    networks: {back: {aliases: [www]}, default: {}}
  db: {image: "localhost/db:1", pull_policy: always, tmpfs: [/tmp], ulimits: {nofile: 1024}, logging: {driver: none}}
  migrate: {image: localhost/app:1, restart: "no"}
  debug: {image: localhost/app:1, profiles: [debug]}
volumes: {data: {}}
networks: {back: {}}
secrets: {token: {file: ./token}}
`, 0o644)
	w.write("token", "x", 0o600)
	s := w.web(nil)
	before := w.definitionsOf(s)
	project, bad := s.load(t.Context(), w.Environ)
	if bad != nil {
		t.Fatal(bad)
	}
	text, err := fixed(project)
	if err != nil {
		t.Fatal(err)
	}
	w.write("run/verified.yaml", text, 0o600)
	s.Compose = []string{w.path("run/verified.yaml")}
	after := w.definitionsOf(s)
	if len(after) != 2 {
		t.Errorf("services: %v", after)
	}
	for name := range after {
		if after[name] != before[name] {
			t.Errorf("service %s is of another definition:\n%s", name, text)
		}
	}
}

func (w *world) definitionsOf(s Stack) map[string]string {
	w.t.Helper()
	project, bad := s.load(w.t.Context(), w.Environ)
	if bad != nil {
		w.t.Fatal(bad)
	}
	_, definitions, err := resolve(w.t.Context(), s, project)
	if err != nil {
		w.t.Fatal(err)
	}
	return definitions
}

// An automatic restart does not try again what was rolled back; a person may.
func TestPreflightHoldsBack(t *testing.T) {
	cases := []struct {
		name     string
		restarts int
		change   func(*world)
		want     Outcome
	}{
		{"restarted by a person", 3, func(*world) {}, Ready},
		{"after a stop", 0, func(*world) {}, Ready},
		{"restarted automatically", 4, func(*world) {}, HeldBack},
		{"with another file", 4, func(w *world) {
			w.write("compose.yaml", "services: {app: {image: localhost/app:1, command: [y]}}\n", 0o644)
		}, Ready},
	}
	for _, c := range cases {
		testIn(t, c.name, func(t *testing.T, _ *world) {
			w, s, b := rolling(t, otherCommand)
			w.manager.restarts = 3
			want(t, b.recorded(t.Context()), RolledBack)
			w.manager.restarts = c.restarts
			c.change(w)
			r := w.Preflight(t.Context(), s)
			want(t, r, c.want)
			if c.want == HeldBack && !strings.Contains(r.Message, "web_app exited") {
				t.Errorf("it does not say why: %s", r.Message)
			}
		})
	}
}

// Of a rollback only the volumes count that were there before.
func TestCounted(t *testing.T) {
	mounts := []podman.Mount{{Name: "old"}, {Name: "new"}}
	if got := (&plan{}).counted(mounts); len(got) != 2 {
		t.Errorf("of an apply: %v", got)
	}
	if got := (&plan{older: []string{"old"}}).counted(mounts); len(got) != 1 || got[0].Name != "old" {
		t.Errorf("of a rollback: %v", got)
	}
	if got := (&plan{older: []string{}}).counted(mounts); len(got) != 0 {
		t.Errorf("of a rollback to containers without volumes: %v", got)
	}
}

// A rollback that does not fit into the unit's time is said before it is needed.
func TestShortStart(t *testing.T) {
	const note = "web.service has"
	cases := map[string]struct {
		onFailure string
		limit     time.Duration
		err       error
		note      bool
	}{
		"too short":         {config.Rollback, 399 * time.Second, nil, true},
		"long enough":       {config.Rollback, 400 * time.Second, nil, false},
		"without a limit":   {config.Rollback, -1, nil, false},
		"not known":         {config.Rollback, 0, errors.New("no manager"), false},
		"nothing goes back": {config.Keep, time.Second, nil, false},
	}
	for name, c := range cases {
		testIn(t, name, func(t *testing.T, w *world) {
			w.manager.startTimeout, w.manager.err = c.limit, c.err
			r := w.Preflight(t.Context(), w.web(func(s *config.Stack) {
				s.OnFailure, s.Apply.Timeout, s.Verify.Timeout = c.onFailure, 90*time.Second, 155*time.Second
			}))
			want(t, r, Ready)
			said := strings.Join(r.Details, "\n")
			if got := strings.Contains(said, note); got != c.note || got && !strings.Contains(said, "TimeoutStartSec=460 ") {
				t.Errorf("%q", r.Details)
			}
		})
	}
}
