# METADATA
# title: the file on disk is the declared link
# description: |
#   Every unit file, drop-in and quadlet source that is declared stands where it
#   is declared, as the link Home Manager made, or where nothing but the user's
#   folder declares it as a file owned by the user and writable by no one else.
#   Measured: activation aborts on a file, a foreign link or a folder in the way
#   and leaves an identical regular file as it is, with force too.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: page
#   needs: [units.files]
#   actions: []
#   runbook: file_declared.md
package stackpolicy.invariants.file_declared

import data.stackpolicy.lib

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": severity(file.state),
	"message": sprintf("%s %s", [file.path, says(file.state)]),
	"evidence": {
		"case": file.state,
		"path": file.path,
		"expected": lib.non_empty(file.declared_target, "a file of the user's own, writable by no one else"),
		"found": lib.non_empty(file.first_hop, file.kind),
		"mode": file.mode,
		"role": file.role,
		"owner": file.uid,
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	some file in unit.files
	not file.state in {"declared", "generated"}
	file.role in {"fragment", "dropin", "source", "source-dropin"}
	ours(file.origin, file.declared_target)
	not ignored(file.state, file.effective, file.loaded)
	not left_to_dropins_owned(file.role, file.state, file.declared_target)
}

ours("user", _)

ours(origin, declared_target) if {
	origin != "user"
	declared_target != ""
}

# What nothing declares and the manager neither has nor would take is no drift.
ignored("undeclared", false, false)

# A drop-in that nothing declares is not file_declared's, there or gone.
left_to_dropins_owned(role, state, "") if {
	role in {"dropin", "source-dropin"}
	state in {"undeclared", "missing"}
}

default severity(_) := "page"

severity(state) := "ticket" if state in {"different", "other-generation", "identical"}

says(state) := object.get(
	{
		"missing": "is declared, but gone from disk",
		"dangling": "is a link whose target is gone",
		"foreign-link": "is a link to somewhere else than declared",
		"mask": "is a mask: a link to /dev/null in place of the declared file",
		"directory": "is a folder in place of the declared file",
		"unsafe": "can be written by others than its user",
		"unreadable": "cannot be read",
		"different": "is a local file with other content than declared",
		"other-generation": "is a link of another generation than the current one",
		"identical": "is a copy in place of the declared link; no activation will update it",
		"undeclared": "defines a managed unit, but nothing declares it",
	},
	state, sprintf("is not as declared: %s", [state]),
)
