package drill

import (
	"errors"
	"os"
	"path/filepath"

	"stackpolicy/lab/scene"
)

// ofLinks are about what starts a unit, and what is left of old ones.
var ofLinks = []row{
	{
		name: "wants-gone", does: "the link by which default.target starts a stack is deleted",
		finds: []string{"links_resolve web.service"},
		do:    func(s *stage) error { return os.Remove(s.Unit("default.target.wants/web.service")) },
	},
	{
		name: "wants-by-hand", does: "systemctl enable was used: a link that nobody declares starts a unit",
		finds: []string{"links_resolve web.service"},
		do: func(s *stage) error {
			return s.plant(s.Unit("basic.target.wants/web.service"), "-> "+s.Current.Sources[in("web.service")])
		},
	},
	{
		name: "wants-by-hand-idle", does: "the same for a unit that does not run: a reload would bring it in force",
		finds: []string{"links_resolve quiet.service", "loaded_is_current quiet.service"},
		do: func(s *stage) error {
			return s.plant(s.Unit("basic.target.wants/quiet.service"), "-> "+s.Current.Sources[in("quiet.service")])
		},
	},
	{
		name: "wants-dangling", does: "a link that starts a unit leads to nothing",
		finds: []string{"links_resolve web.service"},
		do: func(s *stage) error {
			return s.plant(s.Unit("default.target.wants/web.service"), "-> "+filepath.Join(s.Home, "gone/web.service"))
		},
	},
	{
		name: "wants-hidden", does: "a link in a folder that is searched before hides the declared one",
		finds: []string{"links_resolve web.service"},
		do: func(s *stage) error {
			return s.plant(filepath.Join(s.Home, ".config/systemd/user.control/default.target.wants/web.service"), "-> /dev/null")
		},
	},
	{
		name: "pulls", does: "a link that nobody declares makes a unit start another one",
		finds: []string{"links_resolve web.service"},
		do: func(s *stage) error {
			return errors.Join(s.plant(s.Unit("evil-pulled.service"), daemon),
				s.plant(s.Unit("web.service.wants/evil-pulled.service"), "-> ../evil-pulled.service"))
		},
	},
	{
		name: "orphan-link", does: "a link into a generation that is not the current one is left over",
		finds: []string{"no_orphans evil-lost.service"},
		do: func(s *stage) error {
			if err := s.lose(); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "orphan-runs", does: "a service that is not declared any more still runs",
		finds: []string{"no_orphans evil-lost.service"},
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("evil-lost.service"): described("lost", daemon)})
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.systemctl("start", "evil-lost.service")
			}
			if err == nil {
				err = s.declare(nil)
			}
			if err == nil {
				err = s.reload()
			}
			return err
		},
	},
	{
		name: "ghost", does: "a unit failed, and then its file was removed",
		finds: []string{"no_ghost_failure evil-ghost.service"}, heals: true,
		do: func(s *stage) error {
			if err := s.plant(s.Unit("evil-ghost.service"), "[Service]\nExecStart=/bin/false\n"); err != nil {
				return err
			}
			if err := s.reload(); err != nil {
				return err
			}
			if err := s.try("start", "--wait", "evil-ghost.service"); err != nil {
				return err
			}
			if err := os.Remove(s.Unit("evil-ghost.service")); err != nil {
				return err
			}
			return s.reload()
		},
	},
}

// lose activates a generation half-way, and then another one completely.
func (s *stage) lose() error {
	lost := s.declared(map[string]string{in("evil-lost.service"): described("lost", daemon)})
	built, err := scene.Generation(lost).Build(s.StoreDir)
	if err == nil {
		err = built.ActivateHalf(s.Home, s.owner())
	}
	if err == nil {
		err = s.declare(map[string]string{in("quiet.service"): described("quiet, second", daemon)})
	}
	return err
}
