# METADATA
# title: what the manager reads besides unit files is the system's or declared
# description: |
#   A reload also reads environment.d and user.conf, and runs generators and
#   environment generators (environment.d(5), systemd-user.conf(5),
#   systemd.generator(7), systemd.environment-generator(7); measured on systemd 252
#   and 257). They change every unit at once: one line can load a library into
#   each of them. What only root can change is the distribution's or the
#   administrator's choice. In the user's folders a file is declared by the
#   Home Manager generation; where there is none, the user's folder is itself the
#   declaration. What a reload would newly bring in force withholds the reload.
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
	"severity": severity[case],
	"message": sprintf("%s %s", [file.path, says[case]]),
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
