package proof

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestActivation checks that an interrupted activation is found by the files that it
// leaves, and that nothing is reloaded while an activation may be running.
func TestActivation(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.reload()
		settle()
		built, err := scene.Generation(map[string]string{unit("web.service"): scene.StackUnit("web.service", "second")}).Build(s.StoreDir)
		s.do(err)
		s.do(built.ActivateHalf(s.Home, generation.Activation{UID: s.UID, GID: s.GID}))

		s.want("under way", s.eval("--enforce"), 1, "host activation_current running block/ticket")
		s.aged(filepath.Join(s.Home, ".local/state/home-manager/gcroots/new-home"), time.Hour)
		s.want("cut off", s.eval("--enforce"), 2, "host activation_current half-finished block/page")

		// A unit that fails has its own page, and so has real drift.
		s.do(os.Remove(s.Unit("files.service")))
		s.do(s.Link("/etc/passwd", s.Unit("feeds.service")))
		s.want("and drift beside it", s.eval("--enforce"), 2, "host activation_current half-finished block/page",
			"feeds.service file_declared foreign-link block/page", "feeds.service loaded_is_current withheld block/ticket",
			"files.service file_declared missing block/page", "files.service loaded_is_current withheld block/ticket")
		s.do(os.Remove(s.Unit("feeds.service")))

		s.Current = built
		s.do(built.Activate(s.Home, generation.Activation{UID: s.UID, GID: s.GID}))
		s.want("done after all", s.eval("--enforce"), 0, healed)
	})
}

// aged sets the modification time of a link back.
func (s *stage) aged(link string, by time.Duration) {
	s.t.Helper()
	then := unix.NsecToTimeval(time.Now().Add(-by).UnixNano())
	s.do(unix.Lutimes(link, []unix.Timeval{then, then}))
}

// TestActivationService checks that an audit asks over the system bus for the unit with
// which NixOS activates. The user's bus replaces the system bus here.
func TestActivationService(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.etc("home-manager-alice.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\n"+
			"Environment=HOME_MANAGER_BACKUP_EXT=bak\nExecStart=/bin/sh -c '[ \"$APPLY\" != fail ]'\n")
		s.reload()
		s.systemctl("start", "home-manager-alice.service")
		system := []string{"env", "DBUS_SYSTEM_BUS_ADDRESS=" + s.BusAddress(), "stackpolicy", "eval", "-o", "json"}
		s.want("activated", s.evalBy(system...), 0)

		// The unit names the generation of the running system.
		carries := func(generation string) {
			s.etc("home-manager-alice.service.d/10-generation.conf", "[Service]\nExecStart=\nExecStart=/bin/true "+generation+"\n")
			s.reload()
		}
		carries(s.Current.Path)
		s.want("the system's", s.evalBy(system...), 0)
		other, err := scene.Generation(map[string]string{unit("web.service"): scene.StackUnit("web.service", "second")}).Build(s.StoreDir)
		s.do(err)
		carries(other.Path)
		s.want("another one than the system's", s.evalBy(system...), 1, "host activation_current not-activated block/ticket")
		s.do(os.Mkdir(filepath.Join(other.Path, "specialisation"), 0o755))
		s.do(os.Symlink(s.Current.Path, filepath.Join(other.Path, "specialisation", "quiet")))
		s.want("a specialisation of the system's", s.evalBy(system...), 0)
		s.etc("home-manager-alice.service.d/10-generation.conf", "[Service]\n")
		s.reload()

		s.do(s.Write(s.Unit("web.service.bak"), "old"))
		s.want("its backup in the way", s.evalBy(system...), 1, "host no_blocking_backup certain block/ticket")

		s.fail("home-manager-alice.service")
		s.want("failed", s.evalBy(system...), 2,
			"host activation_current failed block/page", "host no_blocking_backup certain block/ticket")
	})
}
