# METADATA
# title: the file on disk is the declared link
# description: |
#   Every unit file, drop-in and quadlet source that Home Manager declares is there,
#   as the link that Home Manager made. Without Home Manager it is a file in the
#   user's folder, owned by the user and writable by no one else. Measured: an
#   activation aborts if a file, a foreign link or a folder is in the way, and does
#   not replace an identical regular file, even with force.
#   The same holds for the folders, and for a file outside the store that Home Manager
#   links to (mkOutOfStoreSymlink).
#   A file that an activation left which stopped half-way is activation_current's.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: page
#   needs: [units.files]
#   optional: [user, declared]
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
	not file.state in {"declared", "generated", "pending"}
	file.role in {"fragment", "dropin", "source", "source-dropin"}
	ours(file.origin, file.declared_target)
	not ignored(file.state, file.effective, file.loaded)
	not left_to_dropins_owned(file.role, file.state, file.declared_target)
}

# Whoever can put files into a folder of unit files can define units, and replace links.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": sprintf("others than %s can put unit files into %s, or replace them", [input.user.name, folder]),
	"evidence": {
		"case": "open-folder",
		"path": folder,
		"expected": "a folder of the user's own, writable by no one else",
		"found": "writable by others",
	},
} if {
	some folder in input.user.open_folders
}

# Without Home Manager only the memory knows that a pattern matched one more unit.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("%s, which the pattern %s matched, no longer exists since %s", [gone.unit, gone.pattern, gone.since]),
	"evidence": {
		"case": "gone",
		"gone": gone.unit,
		"pattern": gone.pattern,
		"expected": "a unit file",
		"found": "none",
		"since": gone.since,
	},
} if {
	some gone in input.declared.gone
}

# systemd takes such a file for no unit, without a word.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": sprintf("%s is declared, but systemd refuses its name", [path]),
	"evidence": {
		"case": "nameless",
		"path": path,
		"expected": "letters, digits and any of : - _ . \\ @",
		"found": "another character, or a name that is too long",
	},
} if {
	some path in input.declared.nameless
}

ours("user", _)

ours(origin, declared_target) if {
	origin != "user"
	declared_target != ""
}

# A file that is not declared, not loaded, and would not be loaded is no drift.
ignored("undeclared", false, false)

# dropins_owned reports drop-ins that are not declared, whether they exist or not.
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
		"foreign-link": "is a link to another place than declared",
		"mask": "is a mask: a link to /dev/null in place of the declared file",
		"directory": "is a folder in place of the declared file",
		"unsafe": "can be written by others than its user",
		"unreadable": "cannot be read",
		"different": "is a local file with other content than declared",
		"other-generation": "is a link of another generation than the current one",
		"identical": "is a copy in place of the declared link; no activation will update it",
		"undeclared": "defines a managed unit, but is not declared",
	},
	state, sprintf("is not as declared: %s", [state]),
)
