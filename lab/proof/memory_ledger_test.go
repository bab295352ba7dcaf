package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const changedHealed = "web.service loaded_is_current changed heal/healed"

// TestLedgerSame checks that recreated links are no drift if an audit remembers that the
// same content was loaded. Older versions of Home Manager recreate all links at every
// activation. Without the memory they are drift, because the content may have changed.
func TestLedgerSame(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := remembering(t, options, map[string]string{unit("web.service"): scene.StackUnit("web.service", "first")})
		s.want("seen", s.enforce(), 0)
		settle()
		for range 2 {
			target, err := os.Readlink(s.Unit("web.service"))
			s.do(err)
			s.do(s.Link(target, s.Unit("web.service")))
			s.want("recreated", s.enforce(), 0)
			s.statusAgrees()
		}
		if n := s.reloads(); n != 1 {
			t.Errorf("%d reloads for what is the same", n-1)
		}
		s.do(os.RemoveAll(filepath.Dir(s.memory())))
		s.want("forgotten", s.enforce(), 1, "web.service loaded_is_current changed heal/planned") // the budget is not known
		s.want("the next audit", s.enforce(), 0, changedHealed)
	})
}

// statusAgrees checks that stackctl uses the audits' memory and finds no drift either.
func (s *stage) statusAgrees() {
	s.t.Helper()
	built, err := stackctl()
	s.do(err)
	installed, err := s.Install(built)
	s.do(err)
	r := s.Do(s.Command(s.t.Context(), installed, "status", "web"))
	if !strings.Contains(r.Out, "web: ") || strings.Contains(r.Out, "loaded_is_current") {
		s.t.Errorf("stackctl status: %d\n%s%s", r.Code, r.Out, r.Err)
	}
}

// TestLedgerOther checks that changed content behind a link is found by its digest, even if
// all file times are older than the load. Renaming a folder does not change the times of
// the files in it.
func TestLedgerOther(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		text := scene.StackUnit("web.service", "first")
		s := remembering(t, options, map[string]string{unit("web.service"): text})
		source := s.Current.Sources[unit("web.service")]
		other := filepath.Join(s.StoreDir, "other")
		s.do(s.Write(filepath.Join(other, filepath.Base(source)), text+"TimeoutStopSec=7\n"))
		s.do(os.Chtimes(filepath.Join(other, filepath.Base(source)), time.Unix(1, 0), time.Unix(1, 0))) // as Nix does
		s.reload()
		s.want("seen", s.enforce(), 0)

		s.do(unix.Renameat2(unix.AT_FDCWD, filepath.Dir(source), unix.AT_FDCWD, other, unix.RENAME_EXCHANGE))
		if got := s.property("web.service", "NeedDaemonReload"); got != "no" {
			t.Errorf("NeedDaemonReload=%s, want no: systemd behaves otherwise than was measured", got)
		}
		s.want("exchanged", s.eval("--policy", s.rules()), 1, "web.service loaded_is_current changed heal/planned")
		aside := s.memory() + ".aside"
		s.do(os.Rename(s.memory(), aside))
		s.want("without a memory", s.eval("--policy", s.rules()), 0)
		s.do(os.Rename(aside, s.memory()))
		s.want("healed", s.enforce(), 0, changedHealed)
		if got := s.property("web.service", "TimeoutStopUSec"); got != "7s" {
			t.Errorf("TimeoutStopUSec=%s after the heal, want 7s", got)
		}
	})
}
