package main

import "stackpolicy/cmd/internal/cli"

// manual is what the man page tells beyond the commands.
func manual() cli.Manual {
	return cli.Manual{
		Environment: []cli.Entry{
			{Name: "XDG_CONFIG_HOME", Text: "Where the configuration and the user's units stand, instead of ~/.config."},
			{Name: "XDG_STATE_HOME", Text: "Where audits are remembered, and Home Manager's generation stands, instead of ~/.local/state."},
			{Name: "XDG_RUNTIME_DIR", Text: "Where the manager's and podman's sockets stand, instead of /run/user/UID."},
			{Name: "DBUS_SESSION_BUS_ADDRESS", Text: "The user's bus, instead of the one in the runtime folder."},
			{Name: "DBUS_SYSTEM_BUS_ADDRESS", Text: "The system's bus, which tells whether Home Manager is at work."},
			{Name: "HOME", Text: "The home, instead of the one that the account has."},
			{Name: "PATH", Text: "Where podman is looked for first."},
			{Name: "CREDENTIALS_DIRECTORY", Text: "Where systemd lays the secrets of alerts (LoadCredential= in systemd.exec(5))."},
			{Name: "NO_COLOR", Text: "No colours, when set to anything."},
			{Name: "TERM", Text: "No colours and no progress, when it is dumb."},
			{Name: "SOURCE_DATE_EPOCH", Text: "The date of the man page, for those who package the program."},
		},
		Files: []cli.Entry{
			{Name: "~/.config/stackpolicy/config.yaml", Text: "The configuration. None is needed with Home Manager; init writes a commented one."},
			{Name: "~/.config/systemd/user/", Text: "The units that are audited, and those of the audit itself."},
			{Name: "~/.local/state/stackpolicy/", Text: "What audits saw and did, and the daily report."},
			{Name: "/usr/lib/systemd/user/stackpolicy-audit.timer", Text: "Runs the audit, where a package installed it."},
		},
		SeeAlso: []string{"journalctl(1)", "loginctl(1)", "podman(1)", "stackctl(1)", "systemctl(1)", "systemd.unit(5)"},
	}
}
