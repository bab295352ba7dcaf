package stack

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/podman"
)

func TestPreflightPasses(t *testing.T) {
	w := newWorld(t)
	w.write("token", "s3cret", 0o600)
	w.write("web.env", "A=1\n", 0o644)
	r := w.Preflight(t.Context(), w.web(func(s *config.Stack) {
		s.Secrets = []config.File{{Path: w.path("token")}}
		s.EnvFiles = []config.File{{Path: w.path("web.env")}}
	}))
	want(t, r, Ready, "ready")
}

func TestPreflightRefuses(t *testing.T) {
	composeOf := func(text string) func(*world, *config.Stack) {
		return func(w *world, _ *config.Stack) { w.write("compose.yaml", text, 0o644) }
	}
	secret := func(mode os.FileMode, f config.File) func(*world, *config.Stack) {
		return func(w *world, s *config.Stack) {
			w.write("token", "s3cret", mode)
			f.Path = w.path("token")
			s.Secrets = []config.File{f}
		}
	}
	cases := []struct {
		name    string
		arrange func(*world, *config.Stack)
		want    Outcome
		words   []string
	}{
		{"no compose files", func(_ *world, s *config.Stack) { s.Compose = nil }, Usage, []string{"names no compose files", "stacks.web.compose"}},
		{"compose file missing", func(w *world, _ *config.Stack) { _ = os.Remove(w.path("compose.yaml")) }, BadCompose, []string{"compose.yaml"}},
		{"compose key misspelt", composeOf("services: {app: {imgae: x}}\n"), BadCompose, []string{"compose.yaml", "imgae"}},
		{"env file missing", func(w *world, s *config.Stack) { s.EnvFiles = []config.File{{Path: w.path("no.env")}} }, BadEnv, []string{"env file", "no.env is missing"}},
		{"env file of a service missing", composeOf("services: {app: {image: x, env_file: [no.env]}}\n"), BadEnv, []string{"env file of service app", "no.env is missing"}},
		{"secret missing", func(w *world, s *config.Stack) { s.Secrets = []config.File{{Path: w.path("token")}} }, BadSecret, []string{"secret", "token is missing", "nothing was changed"}},
		{"secret open to others", secret(0o644, config.File{}), BadSecret, []string{"its mode is 0644, want at most 0600", "chmod 0600"}},
		{"secret beyond its mode", secret(0o600, config.File{Mode: 0o400}), BadSecret, []string{"its mode is 0600, want at most 0400"}},
		{"secret of another owner", secret(0o600, config.File{Owner: "12345"}), BadSecret, []string{"want 12345"}},
		{"secret of nobody known", secret(0o600, config.File{Owner: "no-such-user"}), BadSecret, []string{"no-such-user"}},
		{"secret is a folder", func(w *world, s *config.Stack) { s.Secrets = []config.File{{Path: w.dir}} }, BadSecret, []string{"is no regular file"}},
		{"secret of the compose file missing", composeOf("services: {app: {image: x, secrets: [t]}}\nsecrets: {t: {file: ./no-token}}\n"), BadSecret, []string{"secret or config t", "no-token is missing"}},
		{"label of another unit", composeOf("services: {app: {image: x, labels: {io.containers.autoupdate: registry, PODMAN_SYSTEMD_UNIT: old.service}}}\n"),
			BadLabel, []string{`service app`, `"old.service"`, "web.service"}},
		{"project renamed", func(w *world, s *config.Stack) { s.Project = "site"; w.ofUnit("web.service") }, Blocked,
			[]string{"container web_app of project web is web.service's, too", "project: web, below stacks.web"}},
		{"podman hangs", func(w *world, _ *config.Stack) { w.hangs("ps.json") }, NoPodman, []string{"does not answer"}},
		{"podman not installed", func(w *world, _ *config.Stack) { w.Operator.Podman.Command = "" }, NoPodman, []string{"not installed"}},
		{"no provider", func(w *world, s *config.Stack) { s.Provider = []string{w.path("none")} }, NoProvider, []string{"stacks.web.provider"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.web(nil)
			c.arrange(w, &s.Stack)
			want(t, w.Preflight(t.Context(), s), c.want, c.words...)
		})
	}
}

// ofUnit labels the containers as those of a unit.
func (w *world) ofUnit(unit string) {
	details := w.details()
	for _, d := range details {
		labels := d.(map[string]any)["Config"].(map[string]any)["Labels"].(map[string]string)
		labels[podman.LabelUnit] = unit
	}
	w.writeJSON("inspect.json", details)
}

// Another unit's project is its own.
func TestPreflightLeavesOtherUnitsAlone(t *testing.T) {
	w := newWorld(t)
	w.ofUnit("other.service")
	want(t, w.Preflight(t.Context(), w.web(func(s *config.Stack) { s.Project = "site" })), Ready)
}

// Everything that is wrong is reported at once, with the lowest exit status.
func TestPreflightReportsAll(t *testing.T) {
	w := newWorld(t)
	r := w.Preflight(t.Context(), w.web(func(s *config.Stack) {
		s.Secrets = []config.File{{Path: w.path("one")}, {Path: w.path("two")}}
		s.Provider = []string{w.path("none")}
	}))
	want(t, r, BadSecret, w.path("one"), w.path("two"), "no compose provider")
}

func TestPreflightWhileAnApplyRuns(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	release, err := lock.Take(w.lockPath(s), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want(t, w.Preflight(t.Context(), s), Locked, "another apply of web is running", "process ")
	release()
	want(t, w.Preflight(t.Context(), s), Ready)
}

func TestPreflightAsksRegistries(t *testing.T) {
	answer := http.StatusUnauthorized
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(answer)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	w := newWorld(t)
	w.write("compose.yaml", "services: {app: {image: "+host+"/app:1}}\n", 0o644)
	s := w.web(func(s *config.Stack) { s.Registries = true })

	want(t, w.Preflight(t.Context(), s), Ready)
	answer = http.StatusBadGateway
	want(t, w.Preflight(t.Context(), s), NoRegistry, host)
	server.Close()
	want(t, w.Preflight(t.Context(), s), NoRegistry, host, "refused")
	s.Registries = false
	want(t, w.Preflight(t.Context(), s), Ready)
}

func TestRegistriesOf(t *testing.T) {
	project := &compose.Project{Services: []compose.Service{
		{Image: "nginx"}, {Image: "library/nginx:1"}, {Image: "quay.io/x/y:1"}, {Image: "quay.io/x/z@sha256:00"},
		{Image: "127.0.0.1:5000/app"}, {Image: "localhost/app:1"}, {Image: "registry:5000/app"}, {Image: "ghcr.io/x", Build: &compose.Build{}}, {},
	}}
	if d := cmp.Diff([]string{"127.0.0.1:5000", "docker.io", "quay.io", "registry:5000"}, registriesOf(project)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// Podman cannot auto-update a container that was made over its API.
func TestAutoUpdatedStacksAreAppliedByAProgram(t *testing.T) {
	w := newWorld(t)
	t.Setenv("PATH", w.dir+":"+os.Getenv("PATH")) // where the stand-in for podman is
	for policy, program := range map[string]bool{"local": true, "disabled": false} {
		w.write("compose.yaml", "services: {app: {image: localhost/app:1, labels: {io.containers.autoupdate: "+policy+"}}}\n", 0o644)
		s := w.web(func(s *config.Stack) { s.Provider = nil })
		project, bad := s.load(t.Context(), w.Environ)
		if bad != nil {
			t.Fatal(bad)
		}
		chosen, bad := s.withProvider(t.Context(), project)
		if bad != nil || (len(chosen.Provider) > 0) != program {
			t.Errorf("%s: provider %q, %v", policy, chosen.Provider, bad)
		}
	}
}

// refusing refuses every service with secrets, as podman-compose does.
const refusing = `#!/bin/sh
while [ "$1" != -f ]; do shift; done
grep -q secrets: "$2" || exit 0
echo 'Traceback (most recent call last):
  File "podman_compose.py", line 655, in get_secret_args
ValueError: ERROR: undeclared secret: "token", service: app'
exit 1
`

// What the provider refuses is reported without its program's traceback, with service and
// key, and leaves nothing behind.
func TestPreflightRehearses(t *testing.T) {
	w := newWorld(t)
	w.write("token", "s3cret", 0o600)
	w.write("compose.yaml", `services:
  app: {image: localhost/app:1}
  db: {image: localhost/app:1, user: "5", secrets: [token]}
secrets: {token: {file: `+w.path("token")+`}}
`, 0o644)
	w.write("rehearsal", strings.Replace(refusing, "secrets:", "source: token", 1), 0o755)
	r := w.Preflight(t.Context(), w.web(nil))
	want(t, r, NoProvider, `podman-compose 1.3.0 cannot run the compose files: services.db.secrets: undeclared secret: "token", service: app`, "stackctl's own engine")
	if text := fmt.Sprint(r); strings.Contains(text, "Traceback") || strings.Contains(text, "get_secret_args") {
		t.Errorf("the report has the program's own text: %s", text)
	}
	left, err := filepath.Glob(w.path("run/stackpolicy/*"))
	if err != nil || len(left) > 1 { // the lock's file stays
		t.Errorf("left behind: %q, %v", left, err)
	}
	w.write("rehearsal", "#!/bin/sh\nexit 0\n", 0o755)
	want(t, w.Preflight(t.Context(), w.web(nil)), Ready)
}

// What the provider ignores is refused where a container needs it, and noted elsewhere.
func TestPreflightKnowsWhatTheProviderIgnores(t *testing.T) {
	for version, outcome := range map[string]Outcome{"podman-compose version 1.0.3": NoProvider, "podman-compose version 1.3.0": Ready, "Docker Compose version v2.29.1": Ready} {
		w := newWorld(t)
		w.write("version", version+"\n", 0o644)
		w.write("up", "#!/bin/sh\nexit 0\n", 0o755)
		w.write("compose.yaml", "services: {app: {image: localhost/app:1, network_mode: none, pids_limit: 9}}\n", 0o644)
		r := w.Preflight(t.Context(), w.web(nil))
		want(t, r, outcome)
		text := fmt.Sprint(r)
		if got := strings.Contains(text, "does not support services.app.network_mode"); got != (outcome == NoProvider) {
			t.Errorf("%s: %s", version, text)
		}
		if outcome == Ready && strings.Contains(version, "podman") != strings.Contains(text, "podman-compose 1.3.0 ignores services.app.pids_limit") {
			t.Errorf("%s: %s", version, text)
		}
	}
}

// What podman's API refuses is refused before a container is stopped.
func TestPreflightKnowsWhatTheEngineCannotDo(t *testing.T) {
	w := newWorld(t)
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, links: [\"db:other\"]}, db: {image: localhost/app:1}}\n", 0o644)
	s := w.web(func(s *config.Stack) { s.Provider = nil })
	want(t, w.Preflight(t.Context(), s), NoProvider, "stackctl's engine does not support services.app.links (aliases)", "use the service's name")
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, links: [db]}, db: {image: localhost/app:1}}\n", 0o644)
	want(t, w.Preflight(t.Context(), s), Ready)
}

// A program of the operator's own is never asked for up, or anything else, to find out
// whether it can run the files: it may do anything then.
func TestPreflightDoesNotRehearseOwnPrograms(t *testing.T) {
	w := newWorld(t)
	w.write("own", "#!/bin/sh\ncase $1 in version | --version) exec "+w.path("podman-compose")+" \"$@\" ;; esac\n: >"+w.path("asked")+"\nexit 1\n", 0o755)
	s := w.web(func(s *config.Stack) { s.Provider = []string{w.path("own")} })
	want(t, w.Preflight(t.Context(), s), Ready, "own can run the compose files is not known before it does")
	if _, err := os.Stat(w.path("asked")); err == nil {
		t.Error("it was run")
	}
}

// A provider that does not answer is no provider that can run the files.
func TestPreflightOfAProviderThatHangs(t *testing.T) {
	w := newWorld(t)
	w.write("rehearsal", "#!/bin/sh\nsleep 60\n", 0o755)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	r := w.Preflight(ctx, w.web(nil))
	if r.Outcome == Ready {
		t.Errorf("%+v", r)
	}
}
