package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/podman"
	"stackpolicy/policies"
)

// world is an operator with a home of its own, and with stand-ins for podman and
// for the compose provider and the user manager.
type world struct {
	*Operator
	manager manager // that answers about units
	t       *testing.T
	dir     string
	said    []string
	waited  []string
	there   []container
	from    string // id of the image that they are made from
	stack   Stack  // whose definitions the containers are of
}

// manager answers as a user manager does.
type manager struct {
	job          string
	restarts     int
	stopTimeout  time.Duration
	startTimeout time.Duration
	err          error
}

func (m *manager) Job(context.Context, string) (string, error)   { return m.job, m.err }
func (m *manager) Restarts(context.Context, string) (int, error) { return m.restarts, m.err }
func (m *manager) StopTimeout(context.Context, string) (time.Duration, error) {
	return m.stopTimeout, m.err
}
func (m *manager) StartTimeout(context.Context, string) (time.Duration, error) {
	return m.startTimeout, m.err
}

// success is what a provider does that works: the containers are those of the
// compose files now.
const success = `cp "$(dirname "$0")/after.json" "$(dirname "$0")/inspect.json"
`

// standIn answers as podman does, from files beside it; a folder in the place
// of an answer makes it hang.
const standIn = `#!/bin/sh
here=$(dirname "$0")
answer() { [ -d "$here/$1" ] && exec sleep 60; exec cat "$here/$1"; }
case "$1 $*" in
ps\ *) answer ps.json ;;
inspect\ *"--type image"*)
	[ -e "$here/images.json" ] || { echo "Error: $5: image not known" >&2; exit 125; }
	answer images.json ;;
pull\ *) answer pull ;;
tag\ *) echo "$*" >>"$here/tagged"; cp "$here/images.before" "$here/images.json"; exit 0 ;;
stop\ *) echo "$*" >>"$here/stopped"; exit 0 ;;
rm\ *) echo "$*" >>"$here/removed"; exit 0 ;;
inspect\ *) answer inspect.json ;;
compose\ *) shift; exec "$here/podman-compose" "$@" ;;
logs\ *) answer log ;;
esac
echo "podman (stand-in): unknown verb $1" >&2
exit 125
`

// standInProvider says its version, passes every rehearsal unless there is a file of that
// name to run, and else does what the file up does.
const standInProvider = `#!/bin/sh
here=$(dirname "$0")
case $1 in
version) exec cat "$here/version" ;;
--dry-run) [ -e "$here/rehearsal" ] || exit 0; exec "$here/rehearsal" "$@" ;;
esac
exec "$here/up" "$@"
`

// builtin are the built-in policies, which nothing changes.
var builtin = sync.OnceValues(func() (*decide.Policies, error) {
	return decide.Load(context.Background(), policies.FS, decide.Options{Trusted: true})
})

func newWorld(t *testing.T) *world {
	t.Helper()
	w := worldIn(t, t.TempDir())
	if err := os.Mkdir(w.path("run"), 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// worldIn is a world in a folder that may have a state already.
func worldIn(t *testing.T, dir string) *world {
	t.Helper()
	loaded, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, from: image}
	client := podman.Client{Socket: w.path("none.sock"), Command: w.path("podman")}
	w.manager.stopTimeout, w.manager.startTimeout = -1, -1
	w.Operator = &Operator{
		Manager: &w.manager,
		Env: collect.Environment{
			UID: os.Getuid(), Name: "ada", Home: dir, ConfigHome: w.path("config"), StateHome: w.path("state"),
			RuntimeDir: w.path("run"), LingerDir: w.path("linger"), Podman: client, Now: time.Now,
		},
		Policies: loaded, Podman: client, HTTP: http.DefaultClient, Environ: []string{"PATH=" + os.Getenv("PATH")},
		Output:   func(line string) { w.said = append(w.said, line) },
		Progress: func(line string) { w.waited = append(w.waited, line) },
	}
	w.write("podman", standIn, 0o755)
	w.write("podman-compose", standInProvider, 0o755)
	w.write("version", "podman-compose version 1.3.0\n", 0o644)
	w.write("up", "#!/bin/sh\n"+success, 0o755)
	w.write("compose.yaml", "services: {app: {image: localhost/app:1}}\n", 0o644)
	w.images(image)
	w.stack = w.web(nil)
	w.contains(container{"app", "running"})
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string, mode os.FileMode) {
	w.t.Helper()
	if err := os.RemoveAll(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
}

// container is one that the stand-in lists.
type container struct{ service, state string }

// image is the id of the image that containers are made from, unless a test says
// otherwise.
var image = strings.Repeat("a", 64)

// images makes an image the one that every name means; "" is none.
func (w *world) images(id string) {
	w.t.Helper()
	w.write("images.json", `[{"Id":"`+id+`"}]`, 0o644)
	if id == "" {
		_ = os.Remove(w.path("images.json"))
	}
}

// contains puts containers into podman, of the definition that the compose files
// have now.
func (w *world) contains(containers ...container) {
	w.t.Helper()
	w.there = containers
	rows := []any{}
	for i, c := range containers {
		rows = append(rows, map[string]any{"Id": idOf(i), "Names": []string{"web_" + c.service}, "State": c.state})
	}
	w.writeJSON("ps.json", rows)
	w.writeJSON("inspect.json", w.details())
}

func idOf(i int) string { return fmt.Sprintf("%064x", i+1) }

// details are the containers as podman inspect describes them.
func (w *world) details() []any {
	w.t.Helper()
	definitions := map[string]string{}
	if project, bad := w.stack.load(w.t.Context(), w.Environ); bad == nil {
		var err error
		if _, definitions, err = resolve(w.t.Context(), w.stack, project); err != nil {
			w.t.Fatal(err)
		}
	}
	details := []any{}
	for i, c := range w.there {
		labels := map[string]string{podman.LabelProject: "web", podman.LabelService: c.service}
		if definition := definitions[c.service]; definition != "" {
			labels[applied.LabelDefinition] = definition
		}
		details = append(details, map[string]any{
			"Id": idOf(i), "Name": "web_" + c.service, "ImageName": "localhost/app:1", "Image": w.from,
			"State":  map[string]any{"Status": c.state, "StartedAt": "2026-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"},
			"Config": map[string]any{"Labels": labels},
		})
	}
	return details
}

func (w *world) writeJSON(name string, value any) {
	w.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name, string(text), 0o644)
}

// apply applies with a provider after which the containers are those that
// the compose files ask for now, where it does its work.
func (w *world) apply(s Stack) Report {
	w.t.Helper()
	w.stack = s
	for i := range w.there {
		if w.there[i].state == "created" {
			w.there[i].state = "running"
		}
	}
	w.writeJSON("after.json", w.details())
	return w.Apply(w.t.Context(), s)
}

// hangs makes an answer of podman one that never comes.
func (w *world) hangs(name string) {
	w.t.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Mkdir(w.path(name), 0o700); err != nil {
		w.t.Fatal(err)
	}
}

// web is the stack that tests work on, with changes.
func (w *world) web(change func(*config.Stack)) Stack {
	s := Stack{"web", config.Stack{
		Unit: "web.service", Project: "web", Compose: []string{w.path("compose.yaml")}, Provider: []string{w.path("podman-compose")},
		Apply:  config.Apply{Timeout: 20 * time.Second},
		Verify: config.Verify{Timeout: 2 * time.Second, Settle: 500 * time.Millisecond},
	}}
	if change != nil {
		change(&s.Stack)
	}
	return s
}

// watch verifies with a watcher of the test's own.
func (w *world) watch(ctx context.Context, x *watcher) Report {
	v := w.verification(x.stack)
	if bad := v.read(ctx); bad != nil {
		w.t.Fatal(bad)
	}
	v.watcher = x
	return v.run(ctx)
}

func (w *world) lockPath(s Stack) string { return lockOf(w.Env.RuntimeDir, s).path }

func (w *world) record() applied.Record {
	w.t.Helper()
	r, err := applied.Read(w.Env.StateHome, "web")
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func want(t *testing.T, r Report, outcome Outcome, words ...string) {
	t.Helper()
	if r.Outcome != outcome {
		t.Errorf("%s ended %s, want %s\n%+v", r.Verb, r.Outcome.Name, outcome.Name, r)
	}
	text := strings.Join(append([]string{r.Message, r.Hint}, r.Details...), "\n")
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s does not say %q:\n%s", r.Verb, w, text)
		}
	}
}

func TestFind(t *testing.T) {
	c := config.Config{Stacks: map[string]config.Stack{"web": {Unit: "homelab-web.service"}, "db": {Unit: "db.service"}}}
	for _, name := range []string{"web", "homelab-web.service"} {
		if s, err := Find(c, name); err != nil || s.Name != "web" || s.Unit != "homelab-web.service" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for name, c := range map[string]config.Config{"describes none": {}, "did you mean web? known: db, web": c} {
		if _, err := Find(c, "wbe"); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error that says %q", err, name)
		}
	}
}

// Names, exit statuses and message ids are promises: each is unique, and
// systemd's own statuses begin at 200.
func TestOutcomesAreDistinct(t *testing.T) {
	names, ids, statuses := map[string]bool{}, map[string]bool{}, map[int]bool{}
	last := 0
	for _, o := range Outcomes() {
		if names[o.Name] || o.MessageID != "" && ids[o.MessageID] || o.Status != 0 && statuses[o.Status] {
			t.Errorf("%+v shares a name, a message id or a status", o)
		}
		if o.Status < last || o.Status >= 200 || o.MessageID != "" && len(o.MessageID) != 32 {
			t.Errorf("%+v: status out of order or out of range, or no message id", o)
		}
		names[o.Name], ids[o.MessageID], statuses[o.Status], last = true, true, true, o.Status
	}
}
