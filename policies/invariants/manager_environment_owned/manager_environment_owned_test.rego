package stackpolicy.invariants.manager_environment_owned_test

import data.stackpolicy.invariants.manager_environment_owned as rule
import data.stackpolicy.lib_test as given

path := "/home/ada/.config/environment.d/evil.conf"

# with_file is a document with one more file that the manager reads.
with_file(origin, changes) := object.union(given.document([]), {"manager_files": {"files": array.concat(
	given.document([]).manager_files.files,
	[given.manager_file(path, "environment", origin, object.union({"uid": 1000}, changes))],
)}})

test_finding if {
	findings := rule.finding with input as with_file("undeclared", {"changed_after_load": true})
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": sprintf("%s is new, and nothing declares it: a reload is withheld", [path]),
		"evidence": {
			"case": "withheld", "path": path, "role": "environment", "found": "undeclared",
			"expected": "declared, or only root can change it", "owner": 1000, "mode": "0644",
		},
	}}
}

new := {"changed_after_load": true}

cases := {
	"the system's": {"doc": given.document([]), "want": set()},
	"the distribution's, new": {"doc": with_file("distribution", new), "want": set()},
	"the administrator's, new": {"doc": with_file("administrator", new), "want": set()},
	"declared": {"doc": with_file("declared", {}), "want": set()},
	"declared, new": {"doc": with_file("declared", new), "want": set()},
	"own, in force": {"doc": with_file("own", {}), "want": set()},
	"own, new": {"doc": with_file("own", new), "want": {["host", "block", "ticket", "unread"]}},
	"undeclared, in force": {"doc": with_file("undeclared", {}), "want": {["host", "block", "ticket", "undeclared"]}},
	"undeclared, not used": {"doc": with_file("undeclared", {"effective": false}), "want": set()},
	"unsafe, in force": {"doc": with_file("unsafe", {}), "want": {["host", "block", "page", "unsafe"]}},
	"unsafe, new": {"doc": with_file("unsafe", new), "want": {["host", "block", "page", "unsafe"]}},
	"none at all": {"doc": object.union(given.document([]), {"manager_files": {"files": []}}), "want": set()},
	"section missing": {"doc": given.without(given.document([]), ["manager_files"]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}

test_one_finding_for_each_file if {
	doc := object.union(given.document([]), {"manager_files": {"files": [
		given.manager_file("/home/ada/.config/systemd/user.conf", "configuration", "undeclared", {}),
		given.manager_file("/etc/systemd/user-generators/evil", "generator", "unsafe", {}),
	]}})
	findings := rule.finding with input as doc
	given.rows(findings) == {["host", "block", "ticket", "undeclared"], ["host", "block", "page", "unsafe"]}
}
