package proof

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/decide/remembered"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestRememberedVerdicts checks that what earlier audits decided is kept, is used, and never
// hides a change: not of a unit, not of the host, and not when the file of it is damaged.
// Decided again from the memory alone, all audits give the same.
func TestRememberedVerdicts(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{
			unit("db.service"): daemon, unit("default.target.wants/db.service"): "-> ../db.service",
		})
		s.systemctl("start", "db.service")
		path := remembered.Path(filepath.Join(s.Home, ".local/state"))
		kept := func() []byte {
			content, err := os.ReadFile(path)
			s.do(err)
			return content
		}
		s.want("the first audit", s.eval(), 0)
		s.want("the first that has a memory", s.eval(), 0)
		first := kept()
		s.want("an unchanged system", s.eval(), 0)
		if !bytes.Equal(kept(), first) {
			t.Error("an audit of an unchanged system decided something again")
		}

		down := "db.service wanted_is_running stopped block/page"
		s.systemctl("stop", "db.service")
		s.want("a unit that stopped", s.eval(), 2, down)
		s.want("it is still stopped", s.eval(), 2, down)
		for _, spoil := range []func([]byte) []byte{
			func(b []byte) []byte { return b[:len(b)/2] },
			func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("stopped"), []byte("healthy")) },
			func(b []byte) []byte { return first },
			func([]byte) []byte { return nil },
		} {
			s.do(os.WriteFile(path, spoil(kept()), 0o600))
			s.want("what was decided is damaged, or old", s.eval(), 2, down)
		}
		s.systemctl("start", "db.service")
		s.want("started again", s.eval(), 0)

		r := s.Stackpolicy(t.Context(), "replay", "-o", "json")
		if r.Code != 0 || !strings.Contains(r.Out, `"audits": 10,`) || !strings.Contains(r.Out, `"same": 10,`) {
			t.Errorf("decided again, the audits end with %d: %s%s", r.Code, r.Out, r.Err)
		}
	})
}
