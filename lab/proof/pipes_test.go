package proof

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const pipeFound = "host user_manager_running pipe block/page"

// pipes are places of a named pipe. The manager opens it as a file when it is asked for the
// unit or reloaded, and waits for ever: it then answers nobody.
var pipes = []struct{ name, path, found string }{
	{"a drop-in of a unit that is not in memory", "stackpolicy-audit.service.d/evil.conf", pipeFound},
	{"a drop-in of a unit that is in memory", "web.service.d/evil.conf", pipeFound},
	{"a drop-in of a type", "service.d/evil.conf", pipeFound},
	{"a drop-in of a unit that nobody manages", "default.target.d/evil.conf", pipeFound},
	{"a unit's own file", "web.service", pipeFound},
	{"a unit that nobody manages", "evil.service", pipeFound},
}

// TestNoAuditStopsTheManager checks that an audit does not make the manager open a pipe,
// neither by a question nor by a reload, and that the pipe is found.
func TestNoAuditStopsTheManager(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		for _, p := range pipes {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				s := open(t, options, nil)
				s.staleFiles(nil)
				s.do(os.MkdirAll(filepath.Dir(s.Unit(p.path)), 0o755))
				_ = os.Remove(s.Unit(p.path))
				s.do(unix.Mkfifo(s.Unit(p.path), 0o666))
				r := s.eval("--enforce")
				if out := s.Do(s.Command(t.Context(), "timeout", "9", "systemctl", "--user", "show", "--property=Version")); out.Code != 0 {
					t.Errorf("the manager no longer answers (%d %s)", out.Code, out.Err)
				}
				if !slices.Contains(r.findings(), p.found) {
					t.Errorf("%v, want %s", r.findings(), p.found)
				}
			})
		}
	})
}
