# METADATA
# title: files that the manager reads besides unit files belong to the system or are declared
# description: |
#   A reload also reads environment.d and user.conf, and runs generators and
#   environment generators (environment.d(5), systemd-user.conf(5),
#   systemd.generator(7), systemd.environment-generator(7); measured on systemd 252
#   and 257). They apply to every unit: one line can load a library into each of
#   them. Files that only root can change belong to the distribution or the
#   administrator. In the user's folders, the Home Manager generation declares
#   files; without Home Manager, the user's folder is the declaration. If a reload
#   would read a new file that is not declared, the reload is withheld. So it is if
#   a new file of a unit that is not managed would make the reload start or stop
#   units (Upholds=, BindsTo=, StopWhenUnneeded=).
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [manager_files]
#   actions: []
#   runbook: manager_environment_owned.md
package stackpolicy.invariants.manager_environment_owned

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": level,
	"message": sprintf("%s %s", [file.path, what]),
	"evidence": {
		"case": case,
		"path": file.path,
		"role": file.role,
		"expected": "declared, or only root can change it",
		"found": file.origin,
		"owner": file.uid,
		"mode": file.mode,
	},
} if {
	some file in input.manager_files.files
	file.effective
	case := wrong(file.origin, file.changed_after_load)
	level := severity[case]
	what := says[case]
}

wrong("unsafe", _) := "unsafe"

wrong("undeclared", true) := "withheld"

wrong("undeclared", false) := "undeclared"

wrong("own", true) := "unread"

severity := {"unsafe": "page", "withheld": "ticket", "undeclared": "ticket", "unread": "ticket"}

says := {
	"unsafe": "is read by the manager, and others can change it",
	"withheld": "is new, and nothing declares it: a reload is withheld",
	"undeclared": "is in force in the manager, but nothing declares it",
	"unread": "changed after the manager read it: the next reload brings it in force",
}
