package proof

import (
	"os"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestPackagedUnits: Home Manager links the units of packages into ~/.local/share/systemd/user
// (systemd.user.packages). They are declared there, and a file or a mask in the user's own
// folder hides them.
func TestPackagedUnits(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		const packaged = "[Service]\nExecStart=/bin/sleep infinity\n"
		s := open(t, options, map[string]string{".local/share/systemd/user/pkg.service": packaged})
		s.reload()
		s.want("declared", s.eval(), 0)
		s.systemctl("start", "pkg.service")
		s.want("running", s.eval(), 0)

		s.do(s.Write(s.Unit("pkg.service"), packaged+"Nice=5\n"))
		s.reload()
		s.want("hidden by a file", s.eval(), 2, "pkg.service file_declared undeclared block/page")
		s.do(os.Remove(s.Unit("pkg.service")))
		s.do(os.Symlink("/dev/null", s.Unit("pkg.service")))
		s.reload()
		s.want("hidden by a mask", s.eval(), 2, "pkg.service file_declared mask block/page", "pkg.service fragment_in_user_dir masked block/page")
		s.do(os.Remove(s.Unit("pkg.service")))
		s.reload()
		s.want("as declared", s.eval(), 0)
	})
}
