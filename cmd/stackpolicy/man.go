package main

import "stackpolicy/cmd/internal/cli"

// manual returns what the man page says beyond the commands.
func manual() cli.Manual {
	return cli.Manual{
		Environment: []cli.Entry{
			{Name: "XDG_CONFIG_HOME", Text: "Folder of the configuration and of the user's units, instead of ~/.config."},
			{Name: "XDG_STATE_HOME", Text: "Folder of the history of audits and of Home Manager's generations, instead of ~/.local/state."},
			{Name: "XDG_DATA_HOME", Text: "Folder in which Home Manager puts the units of packages, instead of ~/.local/share."},
			{Name: "XDG_RUNTIME_DIR", Text: "Folder of the sockets of the user manager and of podman, instead of /run/user/UID."},
			{Name: "DBUS_SESSION_BUS_ADDRESS", Text: "The user's bus, instead of the one in the runtime folder."},
			{Name: "DBUS_SYSTEM_BUS_ADDRESS", Text: "The system's bus, which shows whether a Home Manager activation is running."},
			{Name: "HOME", Text: "The home folder, instead of the account's."},
			{Name: "PATH", Text: "Folders to search for podman first."},
			{Name: "CREDENTIALS_DIRECTORY", Text: "Folder in which systemd puts the secrets of alerts for stackpolicy-alerts.service (LoadCredential= in systemd.exec(5))."},
			{Name: "NOTIFY_SOCKET", Text: "Where watch says how it is, as a service (sd_notify(3))."},
			{Name: "WATCHDOG_USEC", Text: "How often watch says that it does not hang, in microseconds (sd_watchdog_enabled(3))."},
			{Name: "SUDO_USER", Text: "Who used sudo(8): a command then says that it is about root's units."},
			{Name: "NO_COLOR", Text: "No colours, when set to anything."},
			{Name: "TERM", Text: "No colours and no progress, when it is dumb."},
			{Name: "LC_ALL", Text: "The locale; where its encoding is not UTF-8, texts are in ASCII."},
			{Name: "LC_CTYPE", Text: "The locale, without LC_ALL."},
			{Name: "LANG", Text: "The locale, without LC_ALL and LC_CTYPE."},
			{Name: "JOURNAL_STREAM", Text: "Set by systemd where the output goes to the journal (systemd.exec(5)); there an audit says what its exit status means."},
			{Name: "SOURCE_DATE_EPOCH", Text: "The date of the man page, for packagers."},
		},
		Files: []cli.Entry{
			{Name: "~/.config/stackpolicy/config.yaml", Text: "The configuration. With Home Manager none is needed; init writes one with comments."},
			{Name: "~/.config/systemd/user/", Text: "The units that are audited, and those of the audit itself."},
			{Name: "~/.local/state/stackpolicy/", Text: "The history of audits, and the daily report."},
			{Name: "~/.local/state/stackpolicy/fleet.json", Text: "Which fleet this account is a member of. Its keys are beside it: fleet.key and fleet.nk."},
			{Name: "~/.local/state/stackpolicy/release/", Text: "The releases of rules that this account has, and what it trusts of them."},
			{Name: "$XDG_RUNTIME_DIR/stackpolicy/", Text: "The locks of audits that act and of the watch, and alerts to send if the history cannot be written."},
			{Name: "/usr/lib/systemd/user/stackpolicy-audit.timer", Text: "Runs the audit, where a package installed it."},
			{Name: "/usr/lib/systemd/user/stackpolicy-watch.service", Text: "Runs the watch instead, if it is enabled."},
		},
		SeeAlso: []string{"journalctl(1)", "loginctl(1)", "podman(1)", "stackctl(1)", "stackfleet(1)", "systemctl(1)", "systemd.unit(5)"},
	}
}
