package drill

import (
	"os"
	"path/filepath"
)

// ofHost are about the manager and the account.
var ofHost = []row{
	{
		name: "audit-timer-stopped", does: "the audit's own timer is stopped by hand",
		finds: []string{"audit_timer_active host"},
		do:    func(s *stage) error { return s.systemctl("stop", "stackpolicy-audit.timer") },
	},
	{
		name: "no-linger", does: "linger is off: the stacks stop with the last session",
		finds: []string{"linger_enabled host"},
		do:    func(s *stage) error { return os.Remove(s.Path("/var/lib/systemd/linger/" + s.Username)) },
	},
	{
		name: "environment-by-hand", does: "a file in environment.d that nobody declares is in force",
		finds: []string{"manager_environment_owned host"},
		do: func(s *stage) error {
			if err := s.plant(filepath.Join(s.Home, ".config/environment.d/50-evil.conf"), "EVIL=1\n"); err != nil {
				return err
			}
			return s.reload()
		},
	},
	{
		name: "environment-unread", does: "a file in environment.d that nobody declares waits for the next reload",
		finds: []string{"manager_environment_owned host"},
		do: func(s *stage) error {
			return s.plant(filepath.Join(s.Home, ".config/environment.d/50-evil.conf"), "EVIL=1\n")
		},
	},
	{
		name: "open-folder", does: "everybody may write into the folder of unit files",
		finds: []string{"file_declared host"},
		do:    func(s *stage) error { return os.Chmod(s.Unit("."), 0o777) },
	},
}
