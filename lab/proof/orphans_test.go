package proof

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestOrphans interrupts an activation that adds db.service. The next generation has no
// db.service and is activated completely. The links into the lost generation are left, and
// start db.service at every boot. After they are removed, the service still runs.
func TestOrphans(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		lost := map[string]string{
			unit("db.service"):                      "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n",
			unit("default.target.wants/db.service"): "-> ../db.service",
		}
		built, err := scene.Generation(lost).Build(s.StoreDir)
		s.do(err)
		s.do(built.ActivateHalf(s.Home, generation.Activation{UID: s.UID, GID: s.GID}))
		s.activate("second", nil)
		s.reload()
		s.want("left by a generation", s.eval(), 1, "db.service no_orphans linked block/ticket")

		// A link into a generation that is coming is not left over, also beside one that is.
		coming, err := scene.Generation(map[string]string{unit("new.service"): "[Service]\nExecStart=/bin/true\n"}).Build(s.StoreDir)
		s.do(err)
		s.do(coming.ActivateHalf(s.Home, generation.Activation{UID: s.UID, GID: s.GID}))
		s.reload()
		const linked = "db.service no_orphans linked block/ticket"
		s.want("beside one that is coming", s.eval(), 1, linked, "host activation_current running block/ticket")
		s.aged(filepath.Join(s.Home, ".local/state/home-manager/gcroots/new-home"), time.Hour)
		s.want("beside one that was cut off", s.eval(), 2, linked, "host activation_current half-finished block/page")
		s.Current = coming
		s.do(coming.Activate(s.Home, generation.Activation{UID: s.UID, GID: s.GID}))
		s.want("beside one that has come", s.eval(), 1, linked)

		s.systemctl("start", "db.service")
		s.do(os.Remove(s.Unit("db.service")))
		s.do(os.Remove(s.Unit("default.target.wants/db.service")))
		s.reload()
		s.want("runs without a file", s.eval(), 1, "db.service no_orphans running block/ticket")

		s.systemctl("stop", "db.service")
		s.want("stopped", s.eval(), 0)
	})
}
