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
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "loaded_is_current of web.service was healed 3 times within 24h; the cause is unknown",
		"evidence": {
			"case": "repeating", "invariant": "loaded_is_current", "of": "stale", "action": "daemon-reload",
			"times": 3, "window": "24h", "last": "2026-05-04T03:00:00Z",
			"suspect": "unknown", "path": path, "changed_at": "2026-05-04T02:59:00Z",
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

changed(path, at) := object.union(given.stranger(path, "etc", "dropin"), {"changed_at": at})

# The file that changed last is named, and is no suspect.
test_last_changed[name] if {
	some name, c in {
		"no file": {"files": [], "want": ["", ""]},
		"no time": {"files": [given.fragment("web.service", {})], "want": ["", ""]},
		"long unchanged": {"files": [changed("/a", "2026-05-03T03:02:01Z")], "want": ["", ""]},
		"the newest": {
			"files": [
				changed("/a", "2026-05-04T01:00:00.5Z"),
				changed("/b", "2026-05-04T01:00:01Z"),
				changed("/c", "2026-05-04T01:00:00Z"),
			],
			"want": ["/b", "2026-05-04T01:00:01Z"],
		},
	}
	findings := rule.finding with input as given.document([healed("web.service", [reloaded({})], c.files)])
		with data.settings as {}
	{[f.evidence.path, f.evidence.changed_at] | some f in findings} == {c.want}
	{f.evidence.suspect | some f in findings} == {"unknown"}
}

drift(minute, after) := {"at": sprintf("2026-05-04T0%d:00:00Z", [minute]), "after": after}

# Only what began right before each of at least three drifts is a suspect.
test_suspects[name] if {
	some name, c in {
		"nothing is known": {"drifts": [], "want": "unknown"},
		"before each": {
			"drifts": [drift(1, ["sync.timer", "a.service"]), drift(2, ["sync.timer"]), drift(3, ["b.service", "sync.timer"])],
			"want": "sync.timer",
		},
		"an activation": {
			"drifts": [drift(1, ["home-manager"]), drift(2, ["home-manager"]), drift(3, ["home-manager"])],
			"want": "Home Manager's activation",
		},
		"packages": {
			"drifts": [drift(hour, ["packages"]) | some hour in [1, 2, 3]],
			"want": "a change of packages",
		},
		"either": {
			"drifts": [drift(1, ["a.timer", "b.timer"]), drift(2, ["a.timer", "b.timer"]), drift(3, ["b.timer", "a.timer"])],
			"want": "a.timer or b.timer",
		},
		"too many to be one": {
			"drifts": [drift(hour, ["a.timer", "b.timer", "c.timer"]) | some hour in [1, 2, 3]],
			"want": "unknown",
		},
		"before two of three": {"drifts": [drift(1, ["a.timer"]), drift(2, ["a.timer"]), drift(3, [])], "want": "unknown"},
		"before two only": {"drifts": [drift(1, ["a.timer"]), drift(2, ["a.timer"])], "want": "unknown"},
		"one each": {"drifts": [drift(1, ["a.timer"]), drift(2, ["b.timer"]), drift(3, ["c.timer"])], "want": "unknown"},
		"one whose time is unknown": {
			"drifts": [drift(1, ["a.timer"]), drift(2, ["a.timer"]), drift(3, ["a.timer"]), {"after": ["a.timer"]}],
			"want": "unknown",
		},
		"the same drift again": {"drifts": [drift(1, ["a.timer"]), drift(1, ["a.timer"]), drift(3, ["a.timer"])], "want": "unknown"},
	}
	heal := reloaded({"drifts": c.drifts})
	findings := rule.finding with input as given.document([healed("web.service", [heal], [])])
		with data.settings as {}
	{finding.evidence.suspect | some finding in findings} == {c.want}
}

test_message_of_a_suspect if {
	heal := reloaded({"drifts": [drift(hour, ["sync.timer"]) | some hour in [1, 2, 3]]})
	findings := rule.finding with input as given.document([healed("web.service", [heal], [])])
		with data.settings as {}
	{finding.message | some finding in findings} == {concat("", [
		"loaded_is_current of web.service was healed 3 times within 24h; ",
		"each time within a minute after sync.timer",
	])}
}

test_suspect_of_restarts if {
	heal := reloaded({"action": "restart", "invariant": "stack_running", "case": "exited"})
	files := [given.fragment("web.service", {"changed_at": "2026-05-04T02:59:00Z"})]
	findings := rule.finding with input as given.document([healed("web.service", [heal], files)])
		with data.settings as {}
	{[f.evidence.suspect, f.evidence.path] | some f in findings} == {["unknown", ""]}
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
