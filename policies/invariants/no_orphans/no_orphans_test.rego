package stackpolicy.invariants.no_orphans_test

import data.stackpolicy.invariants.no_orphans as rule
import data.stackpolicy.lib_test as given

hop := "/nix/store/older-home-manager-files/.config/systemd/user/db.service"

# left is a unit that a generation other than the current one left.
left(changes) := given.unit("db.service", object.union({"managed_by": "", "files": [old({})]}, changes))

old(changes) := given.fragment("db.service", object.union(
	{"first_hop": hop, "state": "other-generation", "declared_target": ""},
	changes,
))

old_wants := given.wants("db.service", {"first_hop": hop, "state": "other-generation", "declared_target": ""})

# running is a document in which these units run without a file.
running(names, managed) := object.union(given.document(managed), {"manager": {"running_without_file": names}})

# ahead is a document in which an activation has made the unit's link already.
ahead := object.union(
	given.document([left({})]),
	{"declared": {"activation": {"state": "running", "ahead": [given.in_user_dir("db.service")]}}},
)

test_finding if {
	findings := rule.finding with input as given.document([left({"files": [old({}), old_wants]})])
	findings == {{
		"subject": "db.service",
		"effect": "block",
		"severity": "ticket",
		"message": concat("", [
			"db.service is linked into an old Home Manager generation, ",
			"and the current one does not declare it; it is active",
		]),
		"evidence": {
			"case": "linked",
			"expected": "no link, or a link of the current generation",
			"found": [hop, hop],
			"links": [given.in_user_dir("db.service"), given.in_user_dir("default.target.wants/db.service")],
			"state": "active",
		},
	}}
}

test_running if {
	findings := rule.finding with input as running(["db.service"], [])
	findings == {{
		"subject": "db.service",
		"effect": "block",
		"severity": "ticket",
		"message": "db.service still runs, but no longer has a unit file",
		"evidence": {"case": "running", "expected": "a unit file, or no such unit", "found": "it runs, and has no file"},
	}}
}

cases := {
	"a unit of the current generation": {"doc": given.document([given.unit("web.service", {})]), "want": set()},
	"of the user's own, not managed": {
		"doc": given.document([left({"files": [old({"state": "undeclared"})]})]),
		"want": set(),
	},
	"managed: file_declared reports the link": {
		"doc": given.document([left({"managed_by": "config"})]),
		"want": set(),
	},
	"made by an activation under way": {"doc": ahead, "want": set()},
	"nothing runs without a file": {"doc": running([], []), "want": set()},
	"managed and without a file": {
		"doc": running(["web.service"], [given.unit("web.service", {})]),
		"want": set(),
	},
	"stopped, and would start at the next boot": {
		"doc": given.document([left({"loaded": {"active_state": "inactive"}})]),
		"want": {["db.service", "block", "ticket", "linked"]},
	},
	"only a wants link is left": {
		"doc": given.document([left({"files": [old_wants]})]),
		"want": {["db.service", "block", "ticket", "linked"]},
	},
	"a template": {
		"doc": given.document([object.remove(left({"template": true}), ["loaded"])]),
		"want": {["db.service", "block", "ticket", "linked"]},
	},
	"left and running without a file": {
		"doc": running(["old.timer"], [left({})]),
		"want": {["db.service", "block", "ticket", "linked"], ["old.timer", "block", "ticket", "running"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
