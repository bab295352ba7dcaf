# METADATA
# title: every wants, requires and upholds link resolves and belongs to the current generation
# description: |
#   These links start a unit together with another one. `systemctl --user enable`
#   makes links directly into the store, whose targets are deleted later, and Home
#   Manager does not notice links that it did not make. Outside the user's folder
#   links belong to others, so only dangling links are reported there.
#   A unit's own .wants, .requires and .upholds folders, in any place, change what
#   a start or restart of that unit starts, as a drop-in does. So what is in them
#   must be declared, or come with the distribution. Folders of targets are not
#   judged: other units are expected to add themselves there.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: ticket
#   needs: [units.files]
#   actions: []
#   runbook: links_resolve.md
package stackpolicy.invariants.links_resolve

import data.stackpolicy.lib

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s %s", [file.path, says(case)]),
	"evidence": {
		"case": case,
		"path": file.path,
		"expected": lib.non_empty(file.declared_target, "a link that resolves"),
		"found": lib.non_empty(file.first_hop, file.kind),
		"of": file.of,
		"role": file.role,
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	some file in unit.files
	file.role in {"wants", "requires", "upholds"}
	case := broken(file.origin, file.state, file.kind, file.target)
	not is_fault_of_fragment(unit, file)
}

# A link by which the unit pulls in another one.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s makes %s start %s, but nothing declares it", [file.path, unit.name, file.of]),
	"evidence": {
		"case": "pulls",
		"path": file.path,
		"expected": lib.non_empty(file.declared_target, "no link"),
		"found": sprintf("%s, %s", [file.origin, file.state]),
		"of": file.of,
		"role": file.role,
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	some file in unit.files
	file.role in {"own-wants", "own-requires", "own-upholds"}
	file.effective
	file.origin != "distribution"
	not file.state in {"declared", "identical", "generated"}
}

# A link to /dev/null, or what is no link, takes the place of a declared link that is searched
# after it (systemd.unit(5), "UNIT FILE LOAD PATH"). Of a link, systemd only reads the name.
finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s hides the declared link %s", [before.path, file.path]),
	"evidence": {
		"case": "hidden",
		"path": before.path,
		"expected": "nothing",
		"found": lib.non_empty(before.first_hop, before.kind),
		"of": file.of,
		"role": file.role,
	},
} if {
	some unit in input.units
	unit.managed_by != ""
	some i, before in unit.files
	before.role in {"wants", "requires", "upholds"}
	not before.effective
	masks(before.kind, before.target)
	not before.state in {"declared", "identical"}
	some j, file in unit.files
	j > i
	file.role == before.role
	file.of == before.of
	file.state in {"declared", "identical"}
	not file.effective
	name(file) == name(before)
}

masks("link", "/dev/null")

masks(kind, _) if not kind in {"link", "missing", ""}

name(file) := parts[count(parts) - 1] if parts := split(file.path, "/")

# The link leads to a unit file with the same fault, which file_declared reports.
is_fault_of_fragment(unit, link) if {
	link.state in {"unsafe", "unreadable"}
	some file in unit.files
	file.role == "fragment"
	file.state == link.state
	file.target == link.target
}

broken("user", state, _, _) := state if not state in {"declared", "identical", "pending"}

broken(origin, _, "link", "") := "dangling" if origin != "user"

says(state) := object.get(
	{
		"dangling": "is a link whose target is gone",
		"missing": "is declared, but gone from disk",
		"other-generation": "is a link of another generation than the current one",
		"foreign-link": "is a link to somewhere else than declared",
		"undeclared": "starts the unit, but nothing declares it",
		"mask": "is a link to /dev/null",
	},
	state, sprintf("is not the declared link: %s", [state]),
)
