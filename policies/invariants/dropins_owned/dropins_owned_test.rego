package stackpolicy.invariants.dropins_owned_test

import data.stackpolicy.invariants.dropins_owned as rule
import data.stackpolicy.lib_test as given

conf := "/etc/systemd/user/web.service.d/x.conf"

# with_dropin is a unit with one more drop-in.
with_dropin(name, file) := given.unit(name, {"files": [given.fragment(name, {}), file]})

stray(origin) := given.stranger(conf, origin, "dropin")

# with_gone is a unit that has a drop-in loaded which is no longer on disk.
with_gone(name, changes) := given.unit(name, object.union({"loaded": {"dropin_paths": [conf]}}, changes))

test_finding if {
	findings := rule.finding with input as given.document([with_dropin("web.service", stray("etc"))])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": sprintf("%s changes web.service, but belongs to the system, not to this user", [conf]),
		"evidence": {
			"case": "etc", "path": conf,
			"expected": "a declared drop-in in the user's unit folder", "found": "etc, undeclared",
		},
	}}
}

test_gone if {
	findings := rule.finding with input as given.document([with_gone("web.service", {})])
	findings == {{
		"subject": "web.service",
		"effect": "heal",
		"severity": "ticket",
		"message": sprintf("%s is gone from disk, but still changes web.service as loaded", [conf]),
		"evidence": {
			"case": "gone", "path": conf,
			"expected": "a declared drop-in in the user's unit folder", "found": "loaded, not on disk",
		},
		"action": "daemon-reload",
	}}
}

# reloaded is a unit for which a heal failed; the document's last reload was at 01:00:00.
reloaded(last, failed) := with_gone("web.service", {"history": {
	"findings": [{"invariant": "dropins_owned", "case": "gone", "since": "2026-05-04T00:00:00Z"}],
	"heals": [{"invariant": "dropins_owned", "case": "gone", "action": "daemon-reload", "last": last, "failed_24h": failed}],
}})

test_gone_after_a_reload[name] if {
	some name, c in {
		"it did not help": {"unit": reloaded("2026-05-04T00:59:59Z", 1), "want": {["web.service", "block", "ticket", "gone"]}},
		"it helped": {
			"unit": reloaded("2026-05-04T00:59:59Z", 0),
			"want": {["web.service", "heal", "ticket", "gone", "daemon-reload"]},
		},
		"it was not done yet": {
			"unit": reloaded("2026-05-04T01:00:01Z", 1),
			"want": {["web.service", "heal", "ticket", "gone", "daemon-reload"]},
		},
	}
	findings := rule.finding with input as given.document([c.unit])
	given.rows(findings) == c.want
}

test_distribution_can_be_trusted if {
	doc := given.document([with_dropin("web.service", stray("distribution"))])
	trusting := rule.finding with input as doc with data.settings.trust_distribution_dropins as true
	trusting == set()
	doubting := rule.finding with input as doc with data.settings.trust_distribution_dropins as false
	given.rows(doubting) == {["web.service", "block", "ticket", "distribution"]}
}

cases := {
	"an undeclared link is no drop-in": {
		"units": [with_dropin("web.service", object.union(stray("etc"), {"role": "wants"}))],
		"want": set(),
	},
	"loaded and on disk is not gone": {
		"units": [with_gone("web.service", {"files": [object.union(stray("etc"), {"loaded": true})]})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"holds": {"units": [with_dropin("web.service", given.dropin("web.service", {}))], "want": set()},
	"declared, not read yet": {
		"units": [with_dropin("web.service", given.dropin("web.service", {"loaded": false}))],
		"want": set(),
	},
	"an identical copy": {
		"units": [with_dropin("web.service", given.dropin("web.service", {"state": "identical"}))],
		"want": set(),
	},
	"a link is no drop-in": {"units": [with_dropin("web.service", given.wants("web.service", {}))], "want": set()},
	"unmanaged": {
		"units": [object.union(with_dropin("web.service", stray("etc")), {"managed_by": ""})],
		"want": set(),
	},
	"out of force": {
		"units": [with_dropin("web.service", object.union(stray("etc"), {"effective": false}))],
		"want": set(),
	},
	"out of force on disk, but loaded": {
		"units": [with_dropin("web.service", object.union(stray("etc"), {"effective": false, "loaded": true}))],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"of a template": {
		"units": [given.template("web@.service", {"files": [stray("etc")]})],
		"want": {["web@.service", "block", "page", "etc"]},
	},
	"one finding for each": {
		"units": [
			given.unit("a.service", {"files": [stray("etc"), stray("control"), stray("runtime"), stray("other")]}),
			given.unit("b.service", {}),
			with_dropin("c.service", given.dropin("c.service", {"state": "undeclared", "declared_target": ""})),
		],
		"want": {
			["a.service", "block", "page", "etc"],
			["a.service", "block", "page", "outranking"],
			["a.service", "block", "page", "other"],
			["c.service", "block", "page", "undeclared"],
		},
	},
	"generated for a quadlet": {
		"units": [object.union(with_dropin("web.service", stray("generator")), {"quadlet": true})],
		"want": set(),
	},
	"generated for another unit": {
		"units": [with_dropin("web.service", stray("generator"))],
		"want": {["web.service", "block", "page", "outranking"]},
	},
	"of a quadlet's source": {
		"units": [with_dropin("web.service", object.union(stray("etc"), {"role": "source-dropin"}))],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"gone, listed as missing": {
		"units": [with_gone("web.service", {"files": [object.union(stray("etc"), {"kind": "missing", "loaded": true})]})],
		"want": {["web.service", "heal", "ticket", "gone", "daemon-reload"]},
	},
	"gone, but declared": {
		"units": [with_gone("web.service", {
			"files": [given.dropin("web.service", {"path": conf, "kind": "missing", "state": "missing"})],
			"reload": {"drops_declared": [conf]},
		})],
		"want": set(),
	},
	"gone, reload withheld": {
		"units": [with_gone("web.service", {"reload": {"loads_undeclared": ["/etc/a.conf"]}})],
		"want": {["web.service", "block", "page", "withheld"]},
	},
	"the manager cannot say which are loaded": {
		"units": [given.unit("web.service", {"loaded": {"dropins_unsaid": true}})],
		"want": {["web.service", "block", "page", "unsaid"]},
	},
	"cannot say, unmanaged": {
		"units": [given.unit("web.service", {"managed_by": "", "loaded": {"dropins_unsaid": true}})],
		"want": set(),
	},
	"cannot say, and an undeclared one is on disk": {
		"units": [given.unit("web.service", {"loaded": {"dropins_unsaid": true}, "files": [stray("etc")]})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"gone, unmanaged": {"units": [with_gone("web.service", {"managed_by": ""})], "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
