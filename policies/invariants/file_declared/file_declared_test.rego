package stackpolicy.invariants.file_declared_test

import data.stackpolicy.invariants.file_declared as rule
import data.stackpolicy.lib_test as given

path := given.in_user_dir("web.service")

# with_file is a unit with one file.
with_file(name, file) := given.unit(name, {"files": [file]})

drifted(name, state) := with_file(name, given.fragment(name, {"state": state}))

test_finding if {
	findings := rule.finding with input as given.document([with_file("web.service", given.fragment(
		"web.service",
		{"state": "identical", "kind": "regular", "first_hop": "", "mode": "0644", "uid": 1000},
	))])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": sprintf("%s is a copy in place of the declared link; no activation will update it", [path]),
		"evidence": {
			"case": "identical", "path": path, "expected": given.declared("web.service"),
			"found": "regular", "mode": "0644", "role": "fragment", "owner": 1000,
		},
	}}
}

test_states[state] if {
	some state, severity in {
		"missing": "page", "dangling": "page", "foreign-link": "page", "mask": "page", "directory": "page",
		"unsafe": "page", "unreadable": "page", "undeclared": "page", "unheard-of": "page",
		"different": "ticket", "other-generation": "ticket", "identical": "ticket",
	}
	findings := rule.finding with input as given.document([drifted("web.service", state)])
	given.rows(findings) == {["web.service", "block", severity, state]}
}

test_open_folder if {
	folders := [given.user_dir, given.home]
	doc := object.union(given.document([given.unit("web.service", {})]), {"user": {"open_folders": folders}})
	findings := rule.finding with input as doc
	given.rows(findings) == {["host", "block", "page", "open-folder"]}
	{finding.message | some finding in findings} == {
		"others than ada can put unit files into /home/ada/.config/systemd/user, or replace them",
		"others than ada can put unit files into /home/ada, or replace them",
	}
}

test_gone if {
	gone := {"unit": "lab-b.service", "pattern": "lab-*.service", "since": "2026-05-04T03:00:00Z"}
	findings := rule.finding with input as object.union(given.document([]), {"declared": {"gone": [gone]}})
	given.rows(findings) == {["host", "block", "ticket", "gone"]}
	{finding.message | some finding in findings} == {
		"lab-b.service, which the pattern lab-*.service matched, no longer exists since 2026-05-04T03:00:00Z",
	}
}

test_nameless if {
	doc := object.union(given.document([]), {"declared": {"nameless": [given.in_user_dir("my app.service")]}})
	findings := rule.finding with input as doc
	given.rows(findings) == {["host", "block", "page", "nameless"]}
	{finding.message | some finding in findings} == {
		"/home/ada/.config/systemd/user/my app.service is declared, but systemd refuses its name",
	}
}

undeclared := {"state": "undeclared", "declared_target": ""}

cases := {
	"a drop-in that only its place declares": {
		"units": [with_file("web.service", given.dropin("web.service", {"state": "unsafe", "declared_target": ""}))],
		"want": {["web.service", "block", "page", "unsafe"]},
	},
	"holds": {"units": [given.unit("web.service", {})], "want": set()},
	"nothing loaded": {
		"units": [given.template("web@.service", {"files": [given.fragment("web@.service", {"state": "mask"})]})],
		"want": {["web@.service", "block", "page", "mask"]},
	},
	"of an activation that stopped": {"units": [drifted("web.service", "pending")], "want": set()},
	"unmanaged": {"units": [object.union(drifted("web.service", "mask"), {"managed_by": ""})], "want": set()},
	"several": {
		"units": [drifted("a.service", "different"), given.unit("b.service", {}), drifted("c.service", "missing")],
		"want": {["a.service", "block", "ticket", "different"], ["c.service", "block", "page", "missing"]},
	},
	"every role of a definition": {
		"units": [
			with_file("a.service", given.dropin("a.service", {"state": "mask"})),
			with_file("b.service", given.fragment("b.service", {"role": "source", "state": "mask"})),
			with_file("c.service", given.fragment("c.service", {"role": "source-dropin", "state": "mask"})),
			with_file("d.service", given.wants("d.service", {"state": "mask"})),
		],
		"want": {[unit, "block", "page", "mask"] | some unit in ["a.service", "b.service", "c.service"]},
	},
	"managed by a pattern, without a target": {
		"units": [with_file("web.service", given.fragment("web.service", {
			"state": "missing", "declared_target": "", "effective": false, "loaded": false,
		}))],
		"want": {["web.service", "block", "page", "missing"]},
	},
	"an undeclared fragment out of force": {
		"units": [with_file("web.service", given.fragment(
			"web.service",
			object.union(undeclared, {"effective": false, "loaded": false}),
		))],
		"want": set(),
	},
	"a fragment elsewhere": {
		"units": [with_file("web.service", given.stranger("/etc/systemd/user/web.service", "etc", "fragment"))],
		"want": set(),
	},
	"declared elsewhere": {
		"units": [with_file("web.service", given.fragment("web.service", {"origin": "other", "state": "mask"}))],
		"want": {["web.service", "block", "page", "mask"]},
	},
	"an undeclared drop-in": {
		"units": [with_file("web.service", given.dropin("web.service", undeclared))],
		"want": set(),
	},
	"an undeclared drop-in that is gone": {
		"units": [with_file("web.service", given.dropin(
			"web.service",
			object.union(undeclared, {"state": "missing", "kind": "missing"}),
		))],
		"want": set(),
	},
	"generated": {
		"units": [with_file("web.service", given.fragment("web.service", {"state": "generated"}))],
		"want": set(),
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
