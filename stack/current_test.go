package stack

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/internal/lock"
)

// other is the id of an image that no container was made from.
var other = strings.Repeat("b", 64)

// verifyUp verifies web while its one container is up.
func (w *world) verifyUp(s Stack) (r Report) {
	w.t.Helper()
	synctest.Test(w.t, func(t *testing.T) {
		r = w.watch(t.Context(), w.watching(s, app, at(0, one("app", "running"))))
	})
	return r
}

// A stack that is up is verified only when its containers are what is declared.
func TestVerifyComparesWhatRuns(t *testing.T) {
	applied := func(w *world, s Stack) { want(w.t, w.apply(s), Applied) }
	cases := []struct {
		name    string
		arrange func(*world, Stack)
		want    Outcome
		words   string
	}{
		{"as it was applied", applied, Verified, ""},
		{"never applied, of this definition", func(*world, Stack) {}, Verified, ""},
		{"never applied, made by another tool", func(w *world, _ Stack) { w.unlabelled() }, Verified, ""},
		{"another tool's, of another image", func(w *world, _ Stack) { w.unlabelled(); w.images(other) },
			NotApplied, "web_app does not run the image that localhost/app:1 names now"},
		{"another tool's, and the image named now is not here", func(w *world, _ Stack) {
			w.unlabelled()
			w.images("")
			w.write("compose.yaml", "services: {app: {image: localhost/app:2}}\n", 0o644)
		}, NotApplied, "web_app runs localhost/app:1; the compose files name localhost/app:2, which is not here"},
		{"the compose file names another image, which is not here", func(w *world, s Stack) {
			applied(w, s)
			w.images("")
			w.write("compose.yaml", "services: {app: {image: localhost/app:2}}\n", 0o644)
		}, NotApplied, "web_app is of another definition than the compose files are now"},
		{"another secret", func(w *world, s Stack) { applied(w, s); w.write("token", "other", 0o600) },
			NotApplied, "web_app is of another definition"},
		{"a newer image under the same name", func(w *world, s Stack) { applied(w, s); w.images(other) },
			NotApplied, "web_app does not run the image that localhost/app:1 names now"},
		{"the image has lost its name", func(w *world, s Stack) { applied(w, s); w.images("") }, Verified, ""},
		{"replaced by another tool after an apply", func(w *world, s Stack) { applied(w, s); w.unlabelled() },
			NotApplied, "web_app was not made by stackctl, which applied this stack"},
		{"one more, of podman-compose run", func(w *world, s Stack) {
			applied(w, s)
			w.contains(container{"app", "running"}, container{"app", "running"})
			w.writeJSON("inspect.json", append(w.details()[:1], w.unlabelledDetails()[1]))
		}, Verified, ""},
		{"applied with another variable than this shell has", func(w *world, s Stack) {
			w.write("compose.yaml", "services: {app: {image: localhost/app:1, environment: {TZ: \"${TZ:-UTC}\"}}}\n", 0o644)
			w.Environ = append(w.Environ, "TZ=Europe/Berlin")
			applied(w, s)
			w.Environ = w.Environ[:len(w.Environ)-1]
		}, Verified, ""},
		{"podman fails", func(w *world, s Stack) { applied(w, s); w.write("inspect.json", "nonsense", 0o644) },
			CannotLook, "what the containers are made of could not be determined"},
	}
	for _, c := range cases {
		testIn(t, c.name, func(t *testing.T, w *world) {
			w.write("token", "s3cret", 0o600)
			s := w.web(func(s *config.Stack) { s.Secrets = []config.File{{Path: w.path("token")}} })
			w.stack = s
			w.contains(container{"app", "running"})
			c.arrange(w, s)
			want(t, w.verifyUp(s), c.want, c.words)
		})
	}
}

// unlabelledDetails are the containers as another program makes them.
func (w *world) unlabelledDetails() []any {
	s := w.stack
	defer func() { w.stack = s }()
	w.stack.Compose = nil
	return w.details()
}

// A unit may apply by another command, and use verify alone: an old record of
// stackctl does not fail it.
func TestVerifyInAUnitThatAppliesByAnotherCommand(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.unlabelled()
	w.Invocation = "8f2c"
	want(t, w.verifyUp(s), Verified)
	w.Invocation = ""
	want(t, w.verifyUp(s), NotApplied)
}

// What the start of the unit applied is what its verify compares with, and an
// image that came meanwhile is for the next apply.
func TestVerifyComparesWithItsOwnApply(t *testing.T) {
	w := newWorld(t)
	w.Invocation = "first"
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.images(other)
	want(t, w.verifyUp(s), Verified)
	w.Invocation = ""
	want(t, w.verifyUp(s), NotApplied)
}

// An apply that is at work may be about to replace the container.
func TestVerifyWaitsForAnApply(t *testing.T) {
	w := newWorld(t)
	s := w.web(func(s *config.Stack) { s.Verify = config.Verify{Timeout: timeout, Settle: settle} })
	w.images(other)
	release, err := lock.Take(w.lockPath(s), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		want(t, w.watch(t.Context(), w.watching(s, app, at(0, one("app", "running")))), NotApplied, "web_app does not run")
		if took := time.Since(begin); took < timeout || took > timeout+time.Second {
			t.Errorf("it took %v, want %v", took, timeout)
		}
	})
}

// The record says what each service's containers were made of.
func TestApplyRecordsWhatContainersAreMadeOf(t *testing.T) {
	w := newWorld(t)
	w.contains(container{"app", "running"})
	want(t, w.apply(w.web(nil)), Applied)
	s := w.record().Services
	if len(s) != 1 || len(s[0].Definition) != 64 || s[0].ImageID != image {
		t.Errorf("recorded %+v", s)
	}
	text, err := os.ReadFile(applied.Path(w.Env.StateHome, "web"))
	if err != nil || !strings.Contains(string(text), `"secrets": "sha256:`) {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestIsSameImage(t *testing.T) {
	same := [][2]string{
		{"localhost/app:1", "localhost/app:1"}, {"docker.io/library/nginx:latest", "nginx"}, {"quay.io/x/y:2", "x/y:2"},
		{"docker.io/library/redis@sha256:00", "redis:7"}, {"", "anything"}, {image, "anything"},
	}
	for _, pair := range same {
		if !isSameImage(pair[0], pair[1]) {
			t.Errorf("%s and %s may be the same", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{{"localhost/app:1", "localhost/app:2"}, {"nginx", "docker.io/library/anginx"}, {"nginx:1", "nginx"}, {"quay.io/x/y", "ghcr.io/x/y"}} {
		if isSameImage(pair[0], pair[1]) {
			t.Errorf("%s and %s are not the same", pair[0], pair[1])
		}
	}
}
