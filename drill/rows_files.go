package drill

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"stackpolicy/internal/regularfile"
	"stackpolicy/lab/scene"
)

// ofFiles are about where a unit's definition comes from.
var ofFiles = []row{
	{
		name: "stale-unit", does: "a generation with another web.service is activated, and nobody reloads; NeedDaemonReload= is no",
		finds: []string{"loaded_is_current web.service"}, heals: true,
		do: func(s *stage) error {
			return s.declare(map[string]string{in("web.service"): described("web, second", apply)})
		},
	},
	{
		name: "stale-dropin", does: "a declared drop-in has another text, and nobody reloads",
		finds: []string{"loaded_is_current daemon.service"}, heals: true,
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("daemon.service.d/limits.conf"): "[Service]\nNice=1\n"})
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.declare(map[string]string{in("daemon.service.d/limits.conf"): "[Service]\nNice=2\n"})
			}
			return err
		},
	},
	{
		name: "stale-and-local", does: "a stale unit, and another one with a local file that a reload would load",
		finds: []string{"loaded_is_current web.service", "file_declared files.service"}, refused: true,
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("web.service"): described("web, second", apply)})
			return errors.Join(err, s.plant(s.Unit("files.service"), scene.StackUnit("files.service", "local")))
		},
	},
	{
		name: "local-file", does: "a local file with other content is in place of the declared link",
		finds: []string{"file_declared feeds.service"},
		do: func(s *stage) error {
			if err := s.plant(s.Unit("feeds.service"), scene.StackUnit("feeds.service", "local")); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "local-copy", does: "a copy is in place of the declared link: no activation will update it",
		finds: []string{"file_declared feeds.service"},
		do: func(s *stage) error {
			text, err := regularfile.Read(s.Unit("feeds.service"), maxUnitFile)
			if err == nil {
				err = s.plant(s.Unit("feeds.service"), string(text))
			}
			if err == nil {
				err = s.reload()
			}
			return err
		},
	},
	{
		name: "link-gone", does: "the link of a unit is deleted",
		finds: []string{"file_declared feeds.service"},
		do:    func(s *stage) error { return os.Remove(s.Unit("feeds.service")) },
	},
	{
		name: "link-elsewhere", does: "the link of a unit leads to another file than declared",
		finds: []string{"file_declared feeds.service"},
		do: func(s *stage) error {
			other := filepath.Join(s.Home, ".config/other.service")
			return errors.Join(s.Write(other, scene.StackUnit("feeds.service", "other")), s.plant(s.Unit("feeds.service"), "-> "+other))
		},
	},
	{
		name: "link-to-old", does: "the link of a unit leads into an older generation",
		finds: []string{"activation_current host"},
		do: func(s *stage) error {
			old := s.Current
			if err := s.declare(map[string]string{in("feeds.service"): described("feeds, second", apply)}); err != nil {
				return err
			}
			if err := s.reload(); err != nil {
				return err
			}
			return s.plant(s.Unit("feeds.service"), "-> "+filepath.Join(old.HomeFiles, in("feeds.service")))
		},
	},
	{
		name: "mask-by-hand", does: "a declared unit is masked by a link to /dev/null in its place",
		finds: []string{"file_declared feeds.service"},
		do:    func(s *stage) error { return s.plant(s.Unit("feeds.service"), "-> /dev/null") },
	},
	{
		name: "folder-in-place", does: "a folder is in place of the declared link",
		finds: []string{"file_declared feeds.service"},
		do: func(s *stage) error {
			s.planted = append(s.planted, s.Unit("feeds.service"))
			return errors.Join(os.Remove(s.Unit("feeds.service")), os.Mkdir(s.Unit("feeds.service"), 0o755))
		},
	},
	{
		name: "store-path-gone", does: "the file that a link leads to is gone from the store",
		finds: []string{"file_declared feeds.service"},
		do: func(s *stage) error {
			folder := filepath.Dir(s.Current.Sources[in("feeds.service")])
			return errors.Join(os.Chmod(folder, 0o755), os.RemoveAll(folder))
		},
	},
	{
		name: "open-file", does: "a unit file is a local one that everybody may write",
		finds: []string{"file_declared feeds.service"},
		do: func(s *stage) error {
			if err := s.plant(s.Unit("feeds.service"), scene.StackUnit("feeds.service", "local")); err != nil {
				return err
			}
			return os.Chmod(s.Unit("feeds.service"), 0o666)
		},
	},
	{
		name: "dropin-of-system", does: "a drop-in for a managed unit is in /etc, and read",
		finds: []string{"dropins_owned feeds.service"},
		do: func(s *stage) error {
			if err := s.Etc("feeds.service.d/evil.conf", "[Service]\nEnvironment=DEBUG=1\n"); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "dropin-by-hand", does: "systemctl edit was used: a drop-in that nobody declares is read",
		finds: []string{"dropins_owned feeds.service"},
		do: func(s *stage) error {
			if err := s.plant(s.Unit("feeds.service.d/override.conf"), "[Service]\nEnvironment=DEBUG=1\n"); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "dropin-of-type", does: "a drop-in for all services is in the user's folder, and read",
		finds: append(forEach("dropins_owned", services...), "dropins_owned inst@one.service", "dropins_owned inst@.service"),
		do: func(s *stage) error {
			if err := s.plant(s.Unit("service.d/evil.conf"), "[Service]\nNice=3\n"); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "dropin-at-run-time", does: "systemctl set-property --runtime changed a managed unit",
		finds: []string{"dropins_owned daemon.service"},
		do:    func(s *stage) error { return s.systemctl("set-property", "--runtime", "daemon.service", "TasksMax=50") },
	},
	{
		name: "dropin-gone", does: "a drop-in was removed, but the manager still has it",
		finds: []string{"dropins_owned daemon.service", "loaded_is_current daemon.service"}, heals: true,
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("daemon.service.d/limits.conf"): "[Service]\nNice=1\n"})
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.declare(nil)
			}
			return err
		},
	},
	{
		name: "outranked", does: "a file at run time outranks the declared one, and is loaded",
		finds: []string{"fragment_in_user_dir daemon.service"},
		do: func(s *stage) error {
			if err := s.plant(filepath.Join(s.RuntimeDir, "systemd/transient/daemon.service"), "[Unit]\nDescription=evil\n"+daemon); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "file-of-system", does: "the declared file is gone, and one in /etc is loaded instead",
		finds: []string{"fragment_in_user_dir feeds.service", "file_declared feeds.service"},
		do: func(s *stage) error {
			err := errors.Join(os.Remove(s.Unit("feeds.service")), s.Etc("feeds.service", scene.StackUnit("feeds.service", "other")))
			if err == nil {
				err = s.reload()
			}
			return err
		},
	},
	{
		name: "masked-at-run-time", does: "systemctl mask --runtime was used, with the declared link removed",
		finds: []string{"fragment_in_user_dir quiet.service", "file_declared quiet.service"},
		do: func(s *stage) error {
			if err := os.Remove(s.Unit("quiet.service")); err != nil {
				return err
			}
			if err := s.systemctl("mask", "--runtime", "quiet.service"); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "not-read", does: "a unit that runs from /etc is declared now, and the manager has not read it",
		finds: []string{"fragment_in_user_dir evil-moved.service", "no_unread_definition evil-moved.service"}, heals: true,
		do: func(s *stage) error {
			err := s.Etc("evil-moved.service", "[Unit]\nDescription=old\n"+daemon)
			if err == nil {
				err = s.reload()
			}
			if err == nil {
				err = s.systemctl("start", "evil-moved.service")
			}
			if err == nil {
				err = s.declare(map[string]string{in("evil-moved.service"): described("moved", daemon)})
			}
			return err
		},
	},
	{
		name: "load-error", does: "a declared unit has no command, so that the manager refuses it",
		finds: []string{"fragment_in_user_dir quiet.service"},
		do: func(s *stage) error {
			err := s.declare(map[string]string{in("quiet.service"): described("quiet, second", "[Service]\nType=oneshot\n")})
			if err == nil {
				err = s.reload()
			}
			return err
		},
	},
	{
		name: "half-activation", does: "an activation stopped half-way, an hour ago",
		finds: []string{"activation_current host"},
		do: func(s *stage) error {
			built, err := scene.Generation(s.declared(map[string]string{in("web.service"): described("web, second", apply)})).Build(s.StoreDir)
			if err == nil {
				err = built.ActivateHalf(s.Home, s.owner())
			}
			if err != nil {
				return err
			}
			then := unix.NsecToTimeval(time.Now().Add(-time.Hour).UnixNano())
			return unix.Lutimes(filepath.Join(s.Home, ".local/state/home-manager/gcroots/new-home"), []unix.Timeval{then, then})
		},
	},
	{
		name: "backup-in-the-way", does: "an old backup file is beside a declared link",
		finds: []string{"no_blocking_backup host"},
		do:    func(s *stage) error { return s.plant(s.Unit("web.service.backup"), "old") },
	},
	{
		name: "refused-quadlet", does: "a declared quadlet has a key that podman does not know",
		finds: []string{"quadlets_generate evil-cache.service"}, needs: (*stage).noGenerator,
		do: func(s *stage) error {
			err := s.declare(map[string]string{".config/containers/systemd/evil-cache.container": "[Container]\nImage=localhost/none:1\nNoSuchKey=1\n"})
			if err == nil {
				err = s.reload()
			}
			return err
		},
	},
}

// services are the managed units that a drop-in for all services concerns.
var services = []string{
	"daemon.service", "done.service", "feeds.service", "files.service", "job.service", "needs.service", "on-call.service",
	"quiet.service", "stackpolicy-audit.service", "unmet.service", "web.service",
}

func forEach(invariant string, units ...string) (list []string) {
	for _, u := range units {
		list = append(list, invariant+" "+u)
	}
	return list
}

func (s *stage) noGenerator() string {
	for _, folder := range []string{"/usr/lib/systemd/user-generators", "/usr/local/lib/systemd/user-generators"} {
		if _, err := os.Stat(s.Path(filepath.Join(folder, "podman-user-generator"))); err == nil {
			return ""
		}
	}
	return "needs podman's generator of quadlets, which is not installed here"
}
