package stack

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/podman"
)

// provider is a stand-in that writes down how it was called.
const provider = `#!/bin/sh
dir=$(dirname "$0")
echo "$*" >>"$dir/calls"
echo "unit $PODMAN_SYSTEMD_UNIT, A is $A"
` + success

func (w *world) calls() []string {
	w.t.Helper()
	text, err := os.ReadFile(w.path("calls"))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func TestApplyRecords(t *testing.T) {
	w := newWorld(t)
	w.write("up", provider, 0o755)
	w.write("web.env", "A=1\n", 0o644)
	w.write("compose.yaml", `services:
  app: {image: "localhost/app:$A", depends_on: {migrate: {condition: service_completed_successfully}}}
  migrate: {image: localhost/app:1}
`, 0o644)
	w.contains(container{"app", "running"}, container{"migrate", "exited"})
	w.Invocation = "8f2c"
	s := w.web(func(s *config.Stack) { s.EnvFiles = []config.File{{Path: w.path("web.env")}} })

	want(t, w.apply(s), Applied)
	r := w.record()
	if r.Unit != "web.service" || r.Invocation != "8f2c" || !r.Stale || r.Last.Step != "apply" || r.Last.Status != 0 {
		t.Errorf("recorded %+v", r)
	}
	roles := []string{}
	for _, f := range r.Files {
		roles = append(roles, f.Role)
		if !strings.HasPrefix(f.Digest, "sha256:") {
			t.Errorf("no digest of %s", f.Path)
		}
	}
	if got := strings.Join(roles, " "); got != "compose env" {
		t.Errorf("recorded files: %s", got)
	}
	if len(r.Services) != 2 || r.Services[0].OneShot || !r.Services[1].OneShot {
		t.Errorf("recorded services: %+v", r.Services)
	}
	if got := strings.Join(w.said, "\n"); !strings.Contains(got, "unit web.service, A is 1") {
		t.Errorf("the provider's surroundings: %q", got)
	}
}

// What makes apply replace containers, and what does not.
func TestApplyRecreates(t *testing.T) {
	cases := []struct {
		name   string
		change func(*world)
		want   string // why; "" is not at all
	}{
		{"nothing changed", func(*world) {}, ""},
		{"a blank line in the compose file", func(w *world) {
			w.write("compose.yaml", "\nservices: {app: {image: localhost/app:1}}\n", 0o644)
		}, ""},
		{"another command", func(w *world) {
			w.write("compose.yaml", "services: {app: {image: localhost/app:1, command: [x]}}\n", 0o644)
		}, "another definition"},
		{"another secret", func(w *world) { w.write("token", "other", 0o600) }, "another definition"},
		{"a container of another make", func(w *world) { w.unlabelled() }, "not made by stackctl"},
		{"made by podman-compose 1.3 of this file", func(w *world) { w.made(podman13, w.given()) }, ""},
		{"made by podman-compose 1.3 of another file", func(w *world) { w.made(podman13, "other") }, "another file than before"},
		{"made by podman-compose 1.3 of a file unknown", func(w *world) { w.made(podman13, "") }, "another file than before"},
		{"made by podman-compose 1.0", func(w *world) { w.made("123", "") }, ""},
		{"an ended container", func(w *world) { w.contains(container{"app", "exited"}) }, ""},
		{"a half-made container", func(w *world) { w.contains(container{"app", "created"}) }, "left created"},
		{"the record is gone", func(w *world) { _ = os.Remove(applied.Path(w.Env.StateHome, "web")) }, ""},
		{"the record is damaged", func(w *world) { w.write("state/stackpolicy/applied/web.json", "{", 0o600) }, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("token", "s3cret", 0o600)
			s := w.web(func(s *config.Stack) { s.Secrets = []config.File{{Path: w.path("token")}} })
			want(t, w.apply(s), Applied)

			w.write("up", provider, 0o755)
			w.said = nil
			c.change(w)
			want(t, w.apply(s), Applied)
			recreated := strings.Contains(w.calls()[0], "--force-recreate")
			said := strings.Join(w.said, "\n")
			if recreated != (c.want != "") || !strings.Contains(said, c.want) {
				t.Errorf("replaced: %v; said %q, want %q", recreated, said, c.want)
			}
		})
	}
}

// podman13 is what podman-compose 1.3 writes as its hash.
var podman13 = strings.Repeat("5", 64)

// made gives the containers podman-compose's label and that of the file it was given.
func (w *world) made(hash, given string) {
	for _, name := range []string{"inspect.json", "after.json"} {
		details := w.details()
		for _, d := range details {
			labels := d.(map[string]any)["Config"].(map[string]any)["Labels"].(map[string]string)
			labels[podman.LabelHashOwn] = hash
			labels[applied.LabelGiven] = given
			if name == "after.json" {
				labels[applied.LabelGiven] = w.given()
			}
		}
		w.writeJSON(name, details)
	}
}

// given is the digest of what a provider is given now.
func (w *world) given() string {
	w.t.Helper()
	project, bad := w.stack.load(w.t.Context(), w.Environ)
	if bad != nil {
		w.t.Fatal(bad)
	}
	model, _, err := resolve(w.t.Context(), w.stack, project)
	if err != nil {
		w.t.Fatal(err)
	}
	given, err := model.Given()
	if err != nil {
		w.t.Fatal(err)
	}
	return given
}

func TestApplyFails(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)

	w.write("up", "#!/bin/sh\necho no such image >&2\nexit 7\n", 0o755)
	want(t, w.apply(s), ApplyFailed, "7", "no such image", "stackctl status web")
	if last := w.record().Last; last.Step != "apply" || last.Status != ApplyFailed.Status {
		t.Errorf("recorded %+v", last)
	}

	w.write("up", provider, 0o755)
	want(t, w.apply(s), Applied)
	if strings.Contains(w.calls()[0], "--force-recreate") {
		t.Error("containers that are right are replaced because an apply failed")
	}
	if last := w.record().Last; last.Status != 0 {
		t.Errorf("recorded %+v", last)
	}
}

// What a provider leaves out is reported, whatever its exit status.
func TestApplyFindsWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	w.contains()
	w.write("up", "#!/bin/sh\necho 'Error: port is taken' >&2\n", 0o755)
	want(t, w.apply(w.web(nil)), ApplyFailed, "service app has 0 containers, want 1", "port is taken")
}

func TestApplyRemovesOrphans(t *testing.T) {
	w := newWorld(t)
	w.contains(container{"app", "running"}, container{"debug", "exited"}, container{"old", "running"})
	w.write("compose.yaml", "services: {app: {image: localhost/app:1}, debug: {image: x, profiles: [debug]}}\n", 0o644)
	want(t, w.apply(w.web(nil)), ApplyFailed, "web_old of service old is still there") // the stand-in removes nothing
	removed, err := os.ReadFile(w.path("removed"))
	if err != nil || string(removed) != "rm --force --ignore --time=60 -- "+strings.Repeat("0", 63)+"3\n" {
		t.Errorf("removed %q, %v; want the third container alone", removed, err)
	}
}

// A missing image is fetched before anything is stopped, or nothing is.
func TestApplyFetchesImagesFirst(t *testing.T) {
	w := newWorld(t)
	w.images("")
	w.write("up", provider, 0o755)
	want(t, w.apply(w.web(nil)), ApplyFailed, "an image cannot be had", "left alone")
	if _, err := os.Stat(w.path("calls")); err == nil {
		t.Error("the provider was run without the image")
	}
	w.write("podman", strings.Replace(standIn, "answer pull ;;", "echo Error: write /layer: no space left on device; exit 125 ;;", 1), 0o755)
	want(t, w.apply(w.web(nil)), ApplyFailed, "left alone: image localhost/app:1: ", "no space left on device", "make room: ")
	w.write("podman", standIn, 0o755)
	w.write("pull", "", 0o644)
	want(t, w.apply(w.web(nil)), Applied)
}

func TestApplyThatHangs(t *testing.T) {
	w := newWorld(t)
	w.write("up", "#!/bin/sh\nexec sleep 60\n", 0o755)
	s := w.web(func(s *config.Stack) { s.Apply.Timeout = 8 * time.Second })
	want(t, w.apply(s), ApplyFailed, "apply.timeout", "container web_app: running")
	want(t, w.Preflight(t.Context(), s), Ready)
}

// Whatever the provider cannot do is found out before a container is stopped.
func TestApplyKnowsWhatTheProviderDoesNot(t *testing.T) {
	w := newWorld(t)
	w.write("up", provider, 0o755)
	w.write("rehearsal", "#!/bin/sh\necho no\nexit 1\n", 0o755)
	want(t, w.apply(w.web(nil)), NoProvider, "cannot run the compose files", "the containers were left alone")
	if _, err := os.Stat(w.path("calls")); err == nil {
		t.Error("the provider was run")
	}
	if len(w.said) > 0 {
		t.Errorf("it did something: %q", w.said)
	}
}

func TestApplyWithoutPodman(t *testing.T) {
	w := newWorld(t)
	w.write("up", provider, 0o755)
	w.write("ps.json", "nonsense", 0o644)
	want(t, w.apply(w.web(nil)), NoPodman)
	if _, err := os.Stat(w.path("calls")); err == nil {
		t.Error("applied blindly")
	}
}

// Two at once: one waits for nobody and says who has it.
func TestApplyIsAlone(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	release, err := lock.Take(w.lockPath(s), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want(t, w.apply(s), Locked, "process ", "since ")
	release()
	want(t, w.apply(s), Applied)
	want(t, w.Preflight(t.Context(), s), Ready)
}

func TestApplyToldToStop(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.write("up", "#!/bin/sh\necho begun\nexec sleep 60\n", 0o755)
	ctx, cancel := context.WithCancel(t.Context())
	w.Output = func(string) { cancel() }
	begin := time.Now()
	want(t, w.Apply(ctx, s), ApplyCut, "systemctl --user restart web.service")
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	if last := w.record().Last; last.Status != ApplyCut.Status {
		t.Errorf("recorded %+v", last)
	}
	want(t, w.Preflight(t.Context(), s), Ready)
}

func TestApplyThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t)
	w.write("state", "a file in the way", 0o644)
	want(t, w.apply(w.web(nil)), Broken, "could not be recorded")
}

// An auto-updated container in podman-compose's pod would break auto-update.
func TestApplyKeepsAutoUpdatedContainersOutOfPods(t *testing.T) {
	const calls = "echo \"$*\" >>$(dirname $0)/calls\n"
	for version, want := range map[string]bool{"1.3.0": true, "1.0.3": false} {
		for policy, updated := range map[string]bool{"registry": true, "disabled": false} {
			w := newWorld(t)
			w.write("compose.yaml", "services: {app: {image: localhost/app:1, labels: {io.containers.autoupdate: "+policy+"}}}\n", 0o644)
			w.write("version", "podman-compose version "+version+"\n", 0o644)
			w.write("up", "#!/bin/sh\n"+calls+success, 0o755)
			want := want && updated
			if r := w.apply(w.web(nil)); r.Outcome != Applied || strings.Contains(w.calls()[0], "--in-pod=false") != want {
				t.Errorf("%s, %s: %s, called with %s", version, policy, r.Outcome.Name, w.calls()[0])
			}
		}
	}
}

// A container of a pod cannot have users of its own.
func TestApplyKeepsOtherUsersOutOfPods(t *testing.T) {
	for key, want := range map[string]bool{"userns_mode: keep-id": true, `x-podman.uidmaps: ["0:0:1"]`: true, `user: "5"`: false} {
		w := newWorld(t)
		w.write("compose.yaml", "services: {app: {image: localhost/app:1, "+key+"}}\n", 0o644)
		w.write("up", provider, 0o755)
		if r := w.apply(w.web(nil)); r.Outcome != Applied || strings.Contains(w.calls()[0], "--in-pod=false") != want {
			t.Errorf("%s: %s, called with %s", key, r.Outcome.Name, w.calls()[0])
		}
	}
}

// Containers that cannot be started again are replaced, once, where none of them
// runs: what runs is not stopped for one that does not start.
func TestApplyReplacesWhatDoesNotStart(t *testing.T) {
	const stuck = "#!/bin/sh\necho \"$*\" >>$(dirname $0)/calls\n" +
		success + "case $* in *--force-recreate*) exit 0 ;; esac\necho 'Error: unable to start container \"34\": netavark: setns' >&2\n"
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.contains(container{"app", "exited"})
	w.write("up", stuck, 0o755)
	want(t, w.apply(s), Applied)
	if calls := w.calls(); len(calls) != 2 || !strings.Contains(calls[1], "--force-recreate") {
		t.Errorf("called %q", calls)
	}
	w.write("up", strings.ReplaceAll(stuck, "exit 0", "echo still"), 0o755)
	want(t, w.apply(s), ApplyFailed, "did not start", "netavark: setns")
}

func TestApplyStopsNothingForWhatDoesNotStart(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.contains(container{"app", "exited"}, container{"app", "running"})
	w.write("up", "#!/bin/sh\necho \"$*\" >>$(dirname $0)/calls\necho 'Error: unable to start container \"34\": address in use' >&2\n", 0o755)
	want(t, w.apply(s), ApplyFailed, "did not start", "address in use")
	if calls := w.calls(); len(calls) != 1 || strings.Contains(calls[0], "--force-recreate") {
		t.Errorf("called %q", calls)
	}
}

// unlabelled takes from the containers what says that stackctl made them.
func (w *world) unlabelled() {
	w.stack.Compose = nil
	w.contains(w.there...)
}

// A provider that leaves a container as it was has not applied anything,
// whatever its exit status.
func TestApplyProvesWhatHappened(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, command: [x]}}\n", 0o644)
	w.write("up", "#!/bin/sh\nexit 0\n", 0o755)
	want(t, w.Apply(t.Context(), s), ApplyFailed, "service app was not replaced", "web_app is of another definition")
	if last := w.record().Last; last.Status != ApplyFailed.Status {
		t.Errorf("recorded %+v", last)
	}
}

func TestApplyProvesTheImage(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.images(strings.Repeat("b", 64))
	want(t, w.apply(s), ApplyFailed, "web_app runs an older image than localhost/app:1")
}
