package main

import "stackpolicy/cmd/internal/cli"

// manual is what the man page says beyond the commands.
func manual() cli.Manual {
	return cli.Manual{
		Environment: []cli.Entry{
			{Name: "XDG_STATE_HOME", Text: "The folder in which the hub's folder is, instead of ~/.local/state."},
			{Name: "HOME", Text: "The home, in which the hub's folder is."},
			{Name: "CREDENTIALS_DIRECTORY", Text: "The folder in which systemd has put secrets of the alert sinks."},
			{Name: "NOTIFY_SOCKET", Text: "Where serve says, as a service, that hosts can connect (sd_notify(3))."},
			{Name: "LC_ALL", Text: "The locale; where its encoding is not UTF-8, texts are in ASCII."},
			{Name: "LC_CTYPE", Text: "The locale, without LC_ALL."},
			{Name: "LANG", Text: "The locale, without LC_ALL and LC_CTYPE."},
			{Name: "SUDO_USER", Text: "Who used sudo(8): a command then says whose folder it uses."},
			{Name: "SOURCE_DATE_EPOCH", Text: "The date of the man page, for those who package the program."},
		},
		Files: []cli.Entry{
			{Name: "~/.local/state/stackfleet/keys/", Text: "The keys of the hub. Whoever has them is the hub."},
			{Name: "~/.local/state/stackfleet/server.json", Text: "What serve was started with: the organisation and the addresses."},
			{Name: "~/.local/state/stackfleet/alerts.yaml", Text: "The sinks of the hub's alerts, with the keys of the section alerts of a host's config.yaml. Without it no alert is sent."},
			{Name: "~/.local/state/stackfleet/alarm/", Text: "What the hub told."},
			{Name: "~/.local/state/stackfleet/release/", Text: "The releases of rules: public/ is for the hosts, next/ waits for signatures, and online.key says that nothing is newer."},
			{Name: "~/.local/state/stackfleet/tls/", Text: "The certificate that the hub made for itself."},
			{Name: "~/.local/state/stackfleet/jetstream/", Text: "What hosts sent and the archive has not taken yet, and the statements of the hub."},
		},
		SeeAlso: []string{"stackctl(1)", "stackpolicy(1)", "systemctl(1)"},
	}
}
