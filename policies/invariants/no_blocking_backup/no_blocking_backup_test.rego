package stackpolicy.invariants.no_blocking_backup_test

import data.stackpolicy.invariants.no_blocking_backup as rule
import data.stackpolicy.lib_test as given

backup(certain) := {"path": "/home/ada/.config/systemd/user/web.service.old", "of": "/home/ada/x", "certain": certain}

with_backups(backups) := object.union(given.document([]), {"declared": {"backups": backups}})

activated(doc, extension, overwrite) := object.union(doc, {"declared": {"activation": {"service": {
	"name": "home-manager-ada.service", "active_state": "active", "result": "success",
	"backup_extension": extension, "backup_overwrite": overwrite,
}}}})

test_finding if {
	findings := rule.finding with input as activated(with_backups([backup(true)]), "old", false)
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "/home/ada/.config/systemd/user/web.service.old would make the next activation abort",
		"evidence": {
			"case": "certain", "path": "/home/ada/.config/systemd/user/web.service.old",
			"expected": "no such file", "found": "a file", "of": "/home/ada/x",
		},
	}}
}

cases := {
	"holds": {"doc": given.document([]), "want": set()},
	"overwritten": {"doc": activated(with_backups([backup(true)]), "old", true), "want": set()},
	"another extension": {"doc": activated(with_backups([backup(false)]), "bak", false), "want": set()},
	"no extension": {
		"doc": activated(with_backups([backup(false)]), "", false),
		"want": {["host", "block", "ticket", "uncertain"]},
	},
	"no service": {"doc": with_backups([backup(false)]), "want": {["host", "block", "ticket", "uncertain"]}},
	"several": {
		"doc": with_backups([backup(false), backup(true)]),
		"want": {["host", "block", "ticket", "certain"], ["host", "block", "ticket", "uncertain"]},
	},
	"declared missing": {"doc": given.without(with_backups([backup(true)]), ["declared"]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
