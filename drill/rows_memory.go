package drill

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// ofMemory are about what earlier audits did and what was decided about findings.
var ofMemory = []row{
	{
		name: "heals-again-and-again", does: "the same unit is stale, and is healed, again and again",
		finds: []string{"drift_not_repeating web.service", "loaded_is_current web.service"}, heals: true,
		do: func(s *stage) error {
			for i := range s.rules.repeats() + 1 {
				text := described(fmt.Sprint("web, again ", i), apply)
				if err := s.declare(map[string]string{in("web.service"): text}); err != nil {
					return err
				}
				if i == s.rules.repeats() {
					break
				}
				if _, _, err := s.audit("--enforce"); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		name: "waiver-expired", does: "a waiver has expired",
		finds: []string{"waivers_current host"},
		do: func(s *stage) error {
			settings, err := s.rules.withExpiredWaiver()
			if err != nil {
				return err
			}
			return errors.Join(s.Write(filepath.Join(s.rules.folder(s), "settings.yaml"), settings),
				s.declare(map[string]string{".config/stackpolicy/config.yaml": s.rules.configOfFolder()}))
		},
	},
	{
		name: "hold-ended", does: "the hold of a stack ended, and the stack is still down",
		finds: []string{"waivers_current feeds.service", "wanted_is_running feeds.service"},
		do: func(s *stage) error {
			err := s.stackpolicy("hold", "feeds.service", "--for", "1s", "--reason", "drill")
			if err == nil {
				err = s.systemctl("stop", "feeds.service")
			}
			if err == nil {
				time.Sleep(1100 * time.Millisecond)
			}
			return err
		},
	},
}

// notDrilled are the parts of invariants that cannot be shown in the sandbox.
func notDrilled() []Skipped {
	return []Skipped{
		{"activation_current: failed", "needs the system's manager, which runs NixOS's activation"},
		{"applied_is_current: changed, replaced, rolled-back", "needs an apply by stackctl with a real podman"},
		{"auto_update_works: run-failed", "needs a real podman and a registry"},
		{"file_declared: owned by another user", "needs root, or a second account"},
		{"images_current: rolled-back", "needs a real podman and a registry"},
		{"probes_answer: certificates", "needs a server with TLS"},
		{"unit_not_failed: hangs", "takes more than 15 minutes"},
		{"user_manager_running: starting, stopping", "needs the system's manager, which starts this one"},
	}
}
