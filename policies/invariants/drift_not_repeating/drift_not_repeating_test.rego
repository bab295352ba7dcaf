package stackpolicy.invariants.drift_not_repeating_test

import data.stackpolicy.invariants.drift_not_repeating as rule
import data.stackpolicy.lib_test as given

# reloaded is a finding that was healed by a reload, with changes.
reloaded(changes) := object.union(
	{
		"action": "daemon-reload", "invariant": "loaded_is_current", "case": "stale",
		"tried_1h": 1, "tried_24h": 3, "healed_1h": 1, "healed_24h": 3, "failed_24h": 0,
		"last": "2026-05-04T03:00:00Z",
	},
	changes,
)

breaker := {"since": "2026-05-04T02:00:00Z", "until": "2026-05-04T08:00:00Z", "reason": "2 heals in a row failed"}

healed(name, heals, files) := given.unit(name, {"history": {"heals": heals}, "files": files})

on_host(changes) := object.union(given.document([]), {"history": changes})

path := given.in_user_dir("web.service")

test_repeating if {
	files := [given.fragment("web.service", {"changed_at": "2026-05-04T02:59:00Z"}), given.dropin("web.service", {})]
	findings := rule.finding with input as given.document([healed("web.service", [reloaded({})], files)])
		with data.settings as {}
	suspect := sprintf("Home Manager's activation, at %s", [path])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": sprintf("loaded_is_current of web.service was healed 3 times within 24h; suspected: %s", [suspect]),
		"evidence": {
			"case": "repeating", "invariant": "loaded_is_current", "of": "stale", "action": "daemon-reload",
			"times": 3, "window": "24h", "last": "2026-05-04T03:00:00Z",
			"suspect": suspect, "path": path, "changed_at": "2026-05-04T02:59:00Z",
		},
	}}
}

test_breaker if {
	findings := rule.finding with input as given.document([given.unit("web.service", {"history": {"breaker": breaker}})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": "the breaker is open since 2026-05-04T02:00:00Z: nothing is healed until 2026-05-04T08:00:00Z",
		"evidence": {
			"case": "breaker-open", "held": "web.service", "since": "2026-05-04T02:00:00Z", "until": "2026-05-04T08:00:00Z",
			"reason": "2 heals in a row failed",
		},
	}}
}

# A unit without a file fails, is forgotten, and fails again.
test_ghosts if {
	ghost := reloaded({"action": "reset-failed", "invariant": "no_ghost_failure", "case": "ghost"})
	findings := rule.finding with input as on_host({"others": {
		"a.service": {"findings": [], "heals": [ghost], "exemptions": [], "breaker": breaker},
		"b.service": {"findings": [], "heals": [object.union(ghost, {"healed_24h": 2})], "exemptions": []},
	}})
		with data.settings as {}
	given.rows(findings) == {
		["a.service", "block", "ticket", "repeating"],
		["a.service", "block", "page", "breaker-open"],
	}
}

changed(path, origin, state, at) := object.union(
	given.stranger(path, origin, "dropin"),
	{"state": state, "changed_at": at},
)

test_suspects[name] if {
	some name, c in {
		"no file": {"files": [], "want": "unknown"},
		"no time": {"files": [given.fragment("web.service", {})], "want": "unknown"},
		"long unchanged": {
			"files": [changed("/a", "user", "declared", "2026-05-03T03:02:01Z")],
			"want": "unknown",
		},
		"the newest": {
			"files": [
				changed("/a", "etc", "undeclared", "2026-05-04T01:00:00.5Z"),
				changed("/b", "control", "undeclared", "2026-05-04T01:00:01Z"),
				changed("/c", "generator", "generated", "2026-05-04T01:00:00Z"),
			],
			"want": "systemctl set-property, at /b",
		},
		"a person": {
			"files": [changed("/a", "user", "different", "2026-05-04T01:00:00Z")],
			"want": "a program or person that writes to that folder, at /a",
		},
		"an activation": {
			"files": [changed("/a", "user", "other-generation", "2026-05-04T01:00:00Z")],
			"want": "Home Manager's activation, at /a",
		},
	}
	findings := rule.finding with input as given.document([healed("web.service", [reloaded({})], c.files)])
		with data.settings as {}
	{finding.evidence.suspect | some finding in findings} == {c.want}
}

test_suspect_of_restarts if {
	heal := reloaded({"action": "restart", "invariant": "stack_running", "case": "exited"})
	files := [given.fragment("web.service", {"changed_at": "2026-05-04T02:59:00Z"})]
	findings := rule.finding with input as given.document([healed("web.service", [heal], files)])
		with data.settings as {}
	{[f.evidence.suspect, f.evidence.path] | some f in findings} == {["its containers, or what they are made of", ""]}
}

cases := {
	"holds": {"doc": given.document([given.unit("web.service", {})]), "want": set()},
	"healed now and then": {
		"doc": given.document([healed("web.service", [reloaded({"healed_24h": 2})], [])]),
		"want": set(),
	},
	"tried in vain": {
		"doc": given.document([healed("web.service", [reloaded({"healed_24h": 0, "failed_24h": 9})], [])]),
		"want": set(),
	},
	"all actions of a kind": {
		"doc": given.document([healed("web.service", [reloaded({"invariant": "", "case": "", "healed_24h": 9})], [])]),
		"want": set(),
	},
	"unmanaged": {
		"doc": given.document([object.union(
			healed("web.service", [reloaded({})], []),
			{"managed_by": "", "history": {"breaker": breaker}},
		)]),
		"want": set(),
	},
	"of the host": {"doc": on_host({"heals": [reloaded({})]}), "want": {["host", "block", "ticket", "repeating"]}},
	"breaker of the host": {"doc": on_host({"breaker": breaker}), "want": {["host", "block", "page", "breaker-open"]}},
	"breaker that has closed": {
		"doc": on_host({"breaker": object.union(breaker, {"until": "2026-05-04T03:02:01Z"})}),
		"want": set(),
	},
	"a template": {
		"doc": given.document([given.template("web@.service", {"history": {"heals": [reloaded({})]}})]),
		"want": {["web@.service", "block", "ticket", "repeating"]},
	},
	"several": {
		"doc": object.union(
			given.document([
				healed("a.service", [reloaded({}), reloaded({"case": "changed", "healed_24h": 7})], []),
				given.unit("b.service", {}),
				given.unit("c.service", {"history": {"heals": [reloaded({})], "breaker": breaker}}),
			]),
			{"history": {"breaker": breaker}},
		),
		"want": {
			["host", "block", "page", "breaker-open"],
			["a.service", "block", "ticket", "repeating"],
			["c.service", "block", "ticket", "repeating"],
			["c.service", "block", "page", "breaker-open"],
		},
	},
	"history missing": {
		"doc": given.without(given.document([object.remove(given.unit("web.service", {}), ["history"])]), ["history"]),
		"want": set(),
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc with data.settings as {}
	given.rows(findings) == c.want
}

test_settings[name] if {
	doc := given.document([healed("web.service", [reloaded({})], [])])

	some name, c in {
		"more": {"repeat": {"drift": 4, "window": "24h"}, "want": set()},
		"fewer": {"repeat": {"drift": 2, "window": "24h"}, "want": {3}},
		"an hour": {"repeat": {"drift": 2, "window": "1h"}, "want": set()},
		"an hour, in other words": {"repeat": {"drift": 1, "window": "60m"}, "want": {1}},
		"nothing said": {"repeat": {}, "want": {3}},
	}
	findings := rule.finding with input as doc with data.settings.repeat as c.repeat
	{finding.evidence.times | some finding in findings} == c.want
}
