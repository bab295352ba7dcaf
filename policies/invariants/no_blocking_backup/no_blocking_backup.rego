# METADATA
# title: no old backup file is where the next activation would write one
# description: |
#   With a backup extension Home Manager renames a file that is in its way. It
#   aborts if an older backup already has that name, unless it may overwrite backups
#   (measured). The extension is only known from the activation service; without
#   that, every file that looks like a backup counts.
# schemas:
#   - input: schema.facts
# custom:
#   class: host
#   severity: ticket
#   needs: [declared]
#   actions: []
#   runbook: no_blocking_backup.md
package stackpolicy.invariants.no_blocking_backup

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s %s", [backup.path, says(case)]),
	"evidence": {"case": case, "path": backup.path, "expected": "no such file", "found": "a file", "of": backup.of},
} if {
	some backup in input.declared.backups
	case := collision(backup.certain, service.backup_extension, service.backup_overwrite)
}

default service := {"backup_extension": "", "backup_overwrite": false}

service := input.declared.activation.service

collision(true, _, false) := "certain"

# If the extension is known, files with other extensions are not in the way.
collision(false, "", _) := "uncertain"

says("certain") := "would make the next activation abort"

says("uncertain") := "looks like an old backup that could make an activation abort"
