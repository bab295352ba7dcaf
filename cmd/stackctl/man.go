package main

import "stackpolicy/cmd/internal/cli"

// manual is what the man page says beyond the commands.
func manual() cli.Manual {
	return cli.Manual{
		Environment: []cli.Entry{
			{Name: "XDG_CONFIG_HOME", Text: "The folder of the configuration, instead of ~/.config."},
			{Name: "XDG_STATE_HOME", Text: "The folder of the records, instead of ~/.local/state."},
			{Name: "XDG_RUNTIME_DIR", Text: "The folder of the manager's and podman's sockets, instead of /run/user/UID."},
			{Name: "DBUS_SESSION_BUS_ADDRESS", Text: "The user's bus, instead of the one in the runtime folder."},
			{Name: "HOME", Text: "The home, instead of the one that the account has."},
			{Name: "PATH", Text: "Where to find podman and the compose provider."},
			{Name: "INVOCATION_ID", Text: "The unit's run that a record belongs to (systemd.exec(5))."},
			{Name: "JOURNAL_STREAM", Text: "Set by systemd where the output goes to the journal (systemd.exec(5)); then nothing is printed besides."},
			{Name: "LC_ALL", Text: "The locale; where its encoding is not UTF-8, texts are in ASCII."},
			{Name: "LC_CTYPE", Text: "The locale, without LC_ALL."},
			{Name: "LANG", Text: "The locale, without LC_ALL and LC_CTYPE."},
			{Name: "SUDO_USER", Text: "Who used sudo(8): a command then says that it is about root's units."},
			{Name: "SOURCE_DATE_EPOCH", Text: "The date of the man page, for those who package the program."},
		},
		Files: []cli.Entry{
			{Name: "~/.config/stackpolicy/config.yaml", Text: "The configuration: every stack, its compose files, and how it is verified."},
			{Name: "~/.local/state/stackpolicy/applied/", Text: "What was applied last of each stack."},
		},
		SeeAlso: []string{"podman(1)", "podman-compose(1)", "stackpolicy(1)", "systemctl(1)", "systemd.service(5)"},
	}
}
