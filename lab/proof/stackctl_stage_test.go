package proof

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"stackpolicy/applied"
	"stackpolicy/lab/programs"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
	"stackpolicy/stack"
)

// stackctl is the path of the stackctl program under test.
var stackctl = sync.OnceValues(func() (string, error) {
	return programs.Build(context.Background(), filepath.Dir(program), "stackctl")
})

// answering is a simulated podman that answers stackctl's other questions.
const answering = `#!/bin/sh
[ -e "$HOME/.podman-hangs" ] && exec sleep 600
case "$1 $*" in
ps\ *) exec cat "$HOME/.podman-ps.json" ;;
inspect\ *"--type image"*) echo '[{"Id":"` + scene.ImageID + `"}]' ;;
inspect\ *) exec cat "$HOME/.podman-inspect.json" ;;
images\ *) echo '[{"Id":"` + scene.ImageID + `","Names":["localhost/sample:1"]}]' ;;
events\ * | stop\ *) ;;
info\ *) echo '` + scene.Info + `' ;;
logs\ *) printf 'ready\033[2J\n' ;;
*) echo "simulated podman: unknown verb $1" >&2; exit 125 ;;
esac
`

// bringingUp is a simulated compose provider. It replaces web's containers by those of the
// compose file that it is given.
const bringingUp = `#!/bin/sh
while [ "$1" != -f ]; do shift; done
set -- $(sed -n 's/.*` + applied.LabelDefinition + `: *//p' "$2" | tr -d '"')
exec sed -i "s/app-as-before/$1/; s/db-as-before/$2/" "$HOME/.podman-inspect.json"
`

// verified returns the unit of a stack that calls stackctl.
const verified = `[Unit]
Description=Stack web

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=60
Environment=PATH=%t/../bin:/usr/bin:/bin:/run/current-system/sw/bin
ExecStartPre=%h/.local/bin/stackctl preflight web
ExecStart=%h/.local/bin/stackctl apply web
ExecStartPost=%h/.local/bin/stackctl verify web --timeout=3s
`

// ctlStage is a stage where web.service calls stackctl.
type ctlStage struct {
	*stage
	program string
}

func openCtl(t *testing.T, options usermanager.Options) *ctlStage {
	t.Helper()
	built, err := stackctl()
	if err != nil {
		t.Fatal(err)
	}
	s := &ctlStage{stage: open(t, options, nil)}
	s.program, err = s.Install(built)
	s.do(err)
	s.do(os.WriteFile(filepath.Join(s.BinDir, "up"), []byte(bringingUp), 0o755))
	s.do(s.Link(s.program, filepath.Join(s.Home, ".local/bin/stackctl")))
	s.do(s.Write(s.compose(), "services: {app: {image: localhost/a:1}, db: {image: localhost/a:1}}\n"))
	s.declare("", verified)
	s.contains(scene.Containers()...)
	return s
}

func (s *ctlStage) compose() string { return filepath.Join(s.Home, "web/compose.yaml") }

// declare activates a configuration with an additional line, and a unit.
func (s *ctlStage) declare(line, text string) {
	s.t.Helper()
	s.do(s.Activate(map[string]string{
		".config/stackpolicy/config.yaml": fmt.Sprintf(
			"stacks:\n  web: {compose: [%s], provider: [%s/up], verify: {settle: 300ms}}\n  files: {}\n  feeds: {}\n%s", s.compose(), s.BinDir, line),
		unit("web.service"): scene.Stamped(text),
	}))
	s.reload()
}

// contains puts containers into podman. Those of web are of an older definition.
func (s *ctlStage) contains(containers ...scene.Container) {
	s.t.Helper()
	for i, c := range containers {
		if c.Unit == "web.service" {
			containers[i].Labels = map[string]string{applied.LabelDefinition: c.Service + "-as-before"}
		}
	}
	s.do(s.Podman(containers...))
	s.do(os.WriteFile(filepath.Join(s.BinDir, "podman"), []byte(answering), 0o755))
}

// without returns the sample containers, with web's app in another state.
func without(app scene.Container) []scene.Container {
	all := scene.Containers()
	i := slices.IndexFunc(all, func(c scene.Container) bool { return c.Unit == "web.service" && c.Service == "app" })
	app.Name, app.Unit, app.Project, app.Service = all[i].Name, all[i].Unit, all[i].Project, all[i].Service
	all[i] = app
	return all
}

// stackctl runs stackctl, and expects an exit status and words in the output. The output
// must have no escape sequences.
func (s *ctlStage) stackctl(want stack.Outcome, words []string, args ...string) scene.Result {
	s.t.Helper()
	r := s.Do(s.Command(s.t.Context(), append([]string{s.program}, args...)...))
	if r.Code != want.Status {
		s.t.Errorf("stackctl %v: exit status %d, want %d\n%s%s", args, r.Code, want.Status, r.Out, r.Err)
	}
	for _, w := range words {
		if !strings.Contains(r.Out+r.Err, w) {
			s.t.Errorf("stackctl %v does not say %q:\n%s%s", args, w, r.Out, r.Err)
		}
	}
	if strings.Contains(r.Out+r.Err, "\x1b") {
		s.t.Errorf("stackctl %v lets escape sequences through: %q", args, r.Out+r.Err)
	}
	return r
}

// entries returns the outcomes in stackctl's journal entries about web.service, in order.
func (s *ctlStage) entries() (names []string) {
	s.t.Helper()
	for _, e := range s.Journal() {
		name := e["STACKPOLICY_OUTCOME"]
		if name == "" {
			continue
		}
		i := slices.IndexFunc(stack.Outcomes(), func(o stack.Outcome) bool { return o.Name == name })
		if i < 0 {
			s.t.Fatalf("not an outcome: %v", e)
		}
		o := stack.Outcomes()[i]
		for key, want := range map[string]string{
			"MESSAGE_ID": o.MessageID, "PRIORITY": fmt.Sprint(o.Priority), "USER_UNIT": "web.service",
			"STACKPOLICY_STACK": "web", "STACKPOLICY_STATUS": fmt.Sprint(o.Status),
		} {
			if e[key] != want {
				s.t.Errorf("entry %s: %s=%q, want %q", name, key, e[key], want)
			}
		}
		names = append(names, name)
	}
	return names
}

func (s *ctlStage) record() applied.Record {
	s.t.Helper()
	r, err := applied.Read(filepath.Join(s.Home, ".local/state"), "web")
	s.do(err)
	return r
}
