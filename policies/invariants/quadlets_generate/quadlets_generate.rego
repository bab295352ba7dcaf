# METADATA
# title: podman's generator makes a unit from every managed quadlet
# description: |
#   A quadlet becomes a unit when the manager starts and at each reload, if podman's
#   generator accepts it (podman-systemd.unit(5)). One that is refused has no unit, or
#   loses it at the next reload, and only a line in the journal says so. One file that
#   cannot be read leaves its whole folder without units, and one on which the
#   generator crashes all quadlets after it (seen with podman 5.4). The audit asks the
#   same generator in a dry run. A reload cannot help, so no rule asks for one.
# schemas:
#   - input: schema.facts
# custom:
#   class: provenance
#   severity: page
#   needs: [units.loaded, units.quadlet_errors]
#   actions: []
#   runbook: quadlets_generate.md
package stackpolicy.invariants.quadlets_generate

finding contains {
	"subject": unit.name,
	"effect": "block",
	"severity": "page",
	"message": short(sprintf("podman makes no unit from %s: %s", [base(error.path), error.message])),
	"evidence": {"case": case, "path": error.path, "expected": unit.name, "found": error.message},
} if {
	some unit in input.units
	unit.managed_by != ""
	some error in unit.quadlet_errors
	case := own(error.cause, error.path, unit.name in runs)
}

# The fault of one file is one finding, however many quadlets it leaves without units.
finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": short(sprintf("podman makes no unit from %d quadlets because of %s: %s", [count(missing), base(cause), reason])),
	"evidence": {"case": "other-file", "path": cause, "expected": "a unit from each", "found": reason, "units": sort(missing)},
} if {
	some cause in {error.cause | some error in elsewhere}
	missing := {error.unit | some error in elsewhere; error.cause == cause}
	reason := sort([error.message | some error in elsewhere; error.cause == cause])[0]
}

elsewhere contains {"unit": unit.name, "cause": error.cause, "message": error.message} if {
	some unit in input.units
	unit.managed_by != ""
	some error in unit.quadlet_errors
	not error.cause in {"", error.path}
}

# runs are the units that an older version of a quadlet became, or another file.
runs contains unit.name if {
	some unit in input.units
	unit.loaded.load_state == "loaded"
}

own("", _, _) := "not-generated"

own(cause, path, false) := "refused" if cause == path

own(cause, path, true) := "edited" if cause == path

base(path) := name if {
	parts := split(path, "/")
	name := parts[count(parts) - 1]
}

# short keeps a message readable in one line; the evidence has all of it.
short(text) := text if count(text) <= 150

short(text) := sprintf("%s…", [substring(text, 0, 149)]) if count(text) > 150
