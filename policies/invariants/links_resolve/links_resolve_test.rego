package stackpolicy.invariants.links_resolve_test

import data.stackpolicy.invariants.links_resolve as rule
import data.stackpolicy.lib_test as given

path := given.in_user_dir("default.target.wants/web.service")

# with_link is a unit with one link.
with_link(name, changes) := given.unit(name, {"files": [given.fragment(name, {}), given.wants(name, changes)]})

# unsafe is a unit whose file and the link's target can be written by others.
unsafe(file, target) := given.unit("web.service", {"files": [
	given.fragment("web.service", {"state": "unsafe", "target": file}),
	given.wants("web.service", {"state": "unsafe", "target": target}),
]})

test_finding if {
	findings := rule.finding with input as given.document([with_link("web.service", {
		"state": "dangling", "target": "", "first_hop": "/nix/store/gone/web.service",
	})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": sprintf("%s is a link whose target is gone", [path]),
		"evidence": {
			"case": "dangling", "path": path, "found": "/nix/store/gone/web.service", "of": "default.target",
			"expected": given.declared("default.target.wants/web.service"), "role": "wants",
		},
	}}
}

test_of_an_activation_that_stopped if {
	doc := given.document([with_link("web.service", {"state": "pending"})])
	findings := rule.finding with input as doc
	findings == set()
}

test_states[state] if {
	some state in [
		"dangling", "other-generation", "missing", "foreign-link", "undeclared", "mask",
		"different", "directory", "unsafe", "unreadable", "unheard-of",
	]
	findings := rule.finding with input as given.document([with_link("web.service", {"state": state})])
	given.rows(findings) == {["web.service", "block", "ticket", state]}
}

own := given.in_user_dir("web.service.wants/evil.service")

# pulling is a unit that pulls in evil.service by a link of its own.
pulling(name, changes) := given.unit(name, {"files": [object.union(
	given.stranger(own, "user", "own-wants"),
	object.union({"of": "evil.service", "kind": "link", "first_hop": "/tmp/evil.service"}, changes),
)]})

test_pulls if {
	findings := rule.finding with input as given.document([pulling("web.service", {})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": sprintf("%s makes web.service start evil.service, but nothing declares it", [own]),
		"evidence": {
			"case": "pulls", "path": own, "expected": "no link", "found": "user, undeclared",
			"of": "evil.service", "role": "own-wants",
		},
	}}
}

# hiding is a unit with a declared link after a file with changes of user.control.
before := "/home/u/.config/systemd/user.control/default.target.wants/web.service"

hiding(changes, link) := given.unit("web.service", {"files": [
	object.union(given.stranger(before, "control", "wants"), object.union(
		{
			"of": "default.target", "kind": "link", "first_hop": "/dev/null", "target": "/dev/null",
			"state": "mask", "effective": false,
		},
		changes,
	)),
	given.wants("web.service", object.union({"effective": false}, link)),
]})

test_hidden if {
	findings := rule.finding with input as given.document([hiding({}, {})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": sprintf("%s hides the declared link %s", [before, path]),
		"evidence": {
			"case": "hidden", "path": before, "expected": "nothing", "found": "/dev/null",
			"of": "default.target", "role": "wants",
		},
	}}
}

elsewhere := {"origin": "etc", "state": "undeclared", "declared_target": ""}

cases := {
	"holds": {"units": [with_link("web.service", {})], "want": set()},
	"identical": {"units": [with_link("web.service", {"state": "identical"})], "want": set()},
	"no links": {"units": [given.unit("web.service", {})], "want": set()},
	"unmanaged": {"units": [object.union(with_link("web.service", {"state": "mask"}), {"managed_by": ""})], "want": set()},
	"of a template": {
		"units": [given.template("web@.service", {"files": [given.wants("web@.service", {"state": "missing"})]})],
		"want": {["web@.service", "block", "ticket", "missing"]},
	},
	"every role": {
		"units": [
			with_link("a.service", {"role": "requires", "state": "missing"}),
			with_link("b.service", {"role": "upholds", "state": "missing"}),
			with_link("c.service", {"role": "dropin", "state": "missing"}),
		],
		"want": {["a.service", "block", "ticket", "missing"], ["b.service", "block", "ticket", "missing"]},
	},
	# One fault is one finding: file_declared reports the file that the link leads to.
	"to its own unsafe file": {"units": [unsafe("/home/u/web.service", "/home/u/web.service")], "want": set()},
	"to another unsafe file": {
		"units": [unsafe("/home/u/web.service", "/home/u/other.service")],
		"want": {["web.service", "block", "ticket", "unsafe"]},
	},
	"pulls, in force or not": {
		"units": [pulling("a.service", {"loaded": true}), pulling("b.service", {"role": "own-requires", "origin": "etc"})],
		"want": {["a.service", "block", "ticket", "pulls"], ["b.service", "block", "ticket", "pulls"]},
	},
	"pulls what is declared": {"units": [pulling("web.service", {"state": "declared"})], "want": set()},
	"pulls what was generated": {"units": [pulling("web.service", {"state": "generated"})], "want": set()},
	"pulls what comes with the distribution": {
		"units": [pulling("web.service", {"origin": "distribution"})],
		"want": set(),
	},
	"pulls, out of force": {"units": [pulling("web.service", {"effective": false})], "want": set()},
	"pulls, unmanaged": {
		"units": [object.union(pulling("web.service", {}), {"managed_by": ""})],
		"want": set(),
	},
	"hidden by what is no link": {
		"units": [hiding({"kind": "regular", "first_hop": "", "target": before, "state": "undeclared"}, {"state": "identical"})],
		"want": {["web.service", "block", "ticket", "hidden"]},
	},
	"a link that does the same": {"units": [hiding({"first_hop": "/x", "target": "/x", "effective": true}, {})], "want": set()},
	"a link in a folder that systemd 252 does not read": {
		"units": [hiding({"role": "upholds", "first_hop": "/x", "target": "/x"}, {"role": "upholds"})],
		"want": set(),
	},
	"the name of another link": {
		"units": [hiding({"path": "/home/u/.config/systemd/user.control/default.target.wants/www.service"}, {})],
		"want": set(),
	},
	"of another owner": {"units": [hiding({"of": "timers.target"}, {})], "want": set()},
	"of another kind": {"units": [hiding({"role": "requires"}, {})], "want": set()},
	"hides what is not declared": {"units": [hiding({}, {"state": "undeclared", "origin": "etc"})], "want": set()},
	"a mask that is declared": {"units": [hiding({"state": "declared"}, {})], "want": set()},
	"nothing is there": {"units": [hiding({"kind": "missing"}, {})], "want": set()},
	"a folder that is not read, as systemd is too old": {"units": [hiding({"effective": false}, {"effective": true})], "want": set()},
	"elsewhere": {"units": [with_link("web.service", elsewhere)], "want": set()},
	"elsewhere and dangling": {
		"units": [with_link("web.service", object.union(elsewhere, {"target": ""}))],
		"want": {["web.service", "block", "ticket", "dangling"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
