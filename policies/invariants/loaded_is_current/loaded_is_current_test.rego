package stackpolicy.invariants.loaded_is_current_test

import data.stackpolicy.invariants.loaded_is_current as rule
import data.stackpolicy.lib_test as given

path := given.in_user_dir("web.service")

need_reload(name) := given.unit(name, {"loaded": {"need_daemon_reload": true}})

with_file(file) := given.unit("web.service", {"files": [file]})

test_heal if {
	findings := rule.finding with input as given.document([given.unit("web.service", {
		"loaded": {"need_daemon_reload": true, "differs": [{"key": "Type", "loaded": "simple", "on_disk": "oneshot"}]},
		"files": [given.fragment("web.service", {"changed_after_load": true})],
	})])
	findings == {{
		"subject": "web.service",
		"effect": "heal",
		"severity": "ticket",
		"message": concat("", [
			"web.service runs an older definition than the one on disk: ",
			"file-changed, need-daemon-reload, setting-differs",
		]),
		"evidence": {
			"case": "stale", "path": path, "settings": ["Type"],
			"reasons": ["file-changed", "need-daemon-reload", "setting-differs"],
		},
		"action": "daemon-reload",
	}}
}

# Recreated, perhaps with the content that is loaded: that is not known.
test_changed if {
	dropin := given.in_user_dir("web.service.d/limits.conf")
	findings := rule.finding with input as given.document([given.unit("web.service", {"files": [
		given.fragment("web.service", {}),
		given.dropin("web.service", {"changed_after_load": true}),
	]})])
	findings == {{
		"subject": "web.service",
		"effect": "heal",
		"severity": "ticket",
		"message": sprintf(
			"%s was changed after web.service was loaded; without a reload it is not known whether the content differs",
			[dropin],
		),
		"evidence": {"case": "changed", "path": dropin, "changed": [dropin], "reasons": ["file-changed"]},
		"action": "daemon-reload",
	}}
}

# The link was deleted and nothing else has changed: a reload would drop the unit.
test_withheld if {
	findings := rule.finding with input as given.document([given.unit("web.service", {
		"loaded": {"need_daemon_reload": true},
		"files": [given.fragment("web.service", {"kind": "missing", "state": "missing", "effective": false})],
		"reload": {"drops_declared": [path]},
	})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service needs a reload (need-daemon-reload), which is withheld",
		"evidence": {
			"case": "withheld", "path": path, "reasons": ["need-daemon-reload"], "settings": [],
			"culprit": path, "would_load": [], "would_drop": [path],
		},
	}}
}

# Every link is as an activation left it that stopped: activation_current's.
pending(more) := object.union(
	given.unit("web.service", {
		"files": [given.fragment("web.service", {"state": "pending", "changed_after_load": true})],
		"reload": {"loads_undeclared": [path]},
	}),
	more,
)

test_of_an_activation_that_stopped if {
	findings := rule.finding with input as given.document([pending({})])
	findings == set()
}

test_something_else_beside_it if {
	findings := rule.finding with input as given.document([pending({
		"reload": {"loads_undeclared": [path, "/etc/systemd/user/web.service.d/x.conf"]},
	})])
	given.rows(findings) == {["web.service", "block", "ticket", "withheld"]}
}

reasons := {
	"need-daemon-reload": {"unit": need_reload("web.service"), "want": ["need-daemon-reload"]},
	"link-unread": {
		"unit": given.unit("web.service", {"loaded": {"links_unread": ["default.target"]}}),
		"want": ["link-unread"],
	},
	"link-gone": {
		"unit": given.unit("web.service", {"loaded": {"links_gone": ["default.target"]}}),
		"want": ["link-gone"],
	},
	"dropin-gone": {
		"unit": given.unit("web.service", {"loaded": {"dropin_paths": ["/gone.conf"]}}),
		"want": ["dropin-gone"],
	},
	"dropin-gone, listed": {
		"unit": object.union(
			with_file(given.dropin("web.service", {"path": "/gone.conf", "kind": "missing", "effective": false})),
			{"loaded": {"dropin_paths": ["/gone.conf"]}},
		),
		"want": ["dropin-gone"],
	},
	"dropin-unread": {"unit": with_file(given.dropin("web.service", {"loaded": false})), "want": ["dropin-unread"]},
	"source-dropin unread": {
		"unit": with_file(given.dropin("web.service", {"role": "source-dropin", "loaded": false})),
		"want": ["dropin-unread"],
	},
	"fragment-unread": {
		"unit": with_file(given.fragment("web.service", {"loaded": false})),
		"want": ["fragment-unread"],
	},
	"file-changed, and more": {
		"unit": object.union(
			need_reload("web.service"),
			{"files": [given.fragment("web.service", {"changed_after_load": true})]},
		),
		"want": ["file-changed", "need-daemon-reload"],
	},
}

test_reasons[name] if {
	some name, c in reasons
	findings := rule.finding with input as given.document([c.unit])
	{finding.evidence.reasons | some finding in findings} == {c.want}
	given.rows(findings) == {["web.service", "heal", "ticket", "stale", "daemon-reload"]}
}

# open_before is a unit that needs a reload, with the findings of earlier audits.
open_before(name, seen) := open_before_and(name, seen, [failed(1)])

open_before_and(name, seen, heals) := object.union(need_reload(name), {"history": {"findings": seen, "heals": heals}})

failed(times) := {"action": "daemon-reload", "invariant": "loaded_is_current", "case": "stale", "failed_24h": times}

seen(case, since) := {"invariant": "loaded_is_current", "case": case, "since": since}

test_overdue if {
	findings := rule.finding with input as given.document([open_before("web.service", [seen("stale", "2026-05-04T02:00:00Z")])])
		with data.settings as {}
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "ticket",
		"message": "web.service runs an older definition than the one on disk: need-daemon-reload, still after 15m",
		"evidence": {
			"case": "stale", "path": path, "settings": [], "reasons": ["need-daemon-reload"],
			"since": "2026-05-04T02:00:00Z", "grace": "15m",
		},
	}}
}

# The document is of 03:02:01.
test_grace[name] if {
	some name, c in {
		"never seen": {"seen": [], "want": "heal"},
		"seen a while ago": {"seen": [seen("stale", "2026-05-04T02:47:01Z")], "want": "heal"},
		"seen too long ago": {"seen": [seen("stale", "2026-05-04T02:47:00.9Z")], "want": "block"},
		"seen first for another reason": {
			"seen": [seen("stale", "2026-05-04T03:00:00Z"), seen("changed", "2026-05-04T02:00:00Z")],
			"want": "block",
		},
		"withheld until now": {"seen": [seen("withheld", "2026-05-04T01:00:00Z")], "want": "heal"},
		"another invariant's": {
			"seen": [{"invariant": "no_unread_definition", "case": "stale", "since": "2026-05-04T01:00:00Z"}],
			"want": "heal",
		},
		"seen later, as a clock was set back": {"seen": [seen("stale", "2026-05-05T01:00:00Z")], "want": "heal"},
	}
	findings := rule.finding with input as given.document([open_before("web.service", c.seen)]) with data.settings as {}
	{finding.effect | some finding in findings} == {c.want}
}

test_grace_of_the_settings[name] if {
	doc := given.document([open_before("web.service", [seen("stale", "2026-05-04T02:40:00Z")])])

	some name, c in {
		"longer": {"grace": {"loaded_is_current": "2h"}, "want": "heal"},
		"shorter": {"grace": {"loaded_is_current": "1m"}, "want": "block"},
		"not given": {"grace": {}, "want": "block"},
	}
	findings := rule.finding with input as doc with data.settings.grace as c.grace
	{finding.effect | some finding in findings} == {c.want}
}

test_overdue_only_where_a_heal_failed[name] if {
	some name, c in {
		"never": {"heals": [], "want": "heal"},
		"long ago": {"heals": [failed(0)], "want": "heal"},
		"for another invariant": {"heals": [object.union(failed(1), {"invariant": "no_unread_definition"})], "want": "heal"},
		"today": {"heals": [failed(1)], "want": "block"},
	}
	unit := open_before_and("web.service", [seen("stale", "2026-05-04T02:00:00Z")], c.heals)
	findings := rule.finding with input as given.document([unit]) with data.settings as {}
	{finding.effect | some finding in findings} == {c.want}
}

test_without_a_memory if {
	doc := given.document([object.remove(need_reload("web.service"), ["history"])])
	findings := rule.finding with input as doc
	given.rows(findings) == {["web.service", "heal", "ticket", "stale", "daemon-reload"]}
}

cases := {
	"several files changed": {
		"units": [given.unit("web.service", {"files": [
			given.fragment("web.service", {"changed_after_load": true}),
			given.dropin("web.service", {"changed_after_load": true}),
		]})],
		"want": {["web.service", "heal", "ticket", "changed", "daemon-reload"]},
	},
	"changed, masked, and no longer on disk": {
		"units": [object.union(
			with_file(given.fragment("web.service", {"changed_after_load": true})),
			{"loaded": {"load_state": "masked"}},
		)],
		"want": {["web.service", "heal", "ticket", "changed", "daemon-reload"]},
	},
	"changed, reload withheld": {
		"units": [object.union(
			with_file(given.fragment("web.service", {"changed_after_load": true})),
			{"reload": {"loads_undeclared": ["/etc/x.conf"]}},
		)],
		"want": {["web.service", "block", "ticket", "withheld"]},
	},
	"a recreated link": {
		"units": [with_file(given.wants("web.service", {"changed_after_load": true}))],
		"want": set(),
	},
	"holds": {
		"units": [given.unit("web.service", {
			"loaded": {"dropin_paths": [given.in_user_dir("web.service.d/limits.conf")]},
			"files": [given.fragment("web.service", {}), given.dropin("web.service", {}), given.wants("web.service", {})],
		})],
		"want": set(),
	},
	"a template": {
		"units": [given.template("web@.service", {"files": [given.fragment("web@.service", {"loaded": false})]})],
		"want": set(),
	},
	"unmanaged": {"units": [object.union(need_reload("web.service"), {"managed_by": ""})], "want": set()},
	"a quadlet that podman now refuses": {
		"units": [object.union(need_reload("web.service"), {
			"quadlet_errors": [{"path": "/q/web.container", "cause": "/q/web.container", "message": "unsupported key"}],
			"reload": {"drops_declared": ["/q/web.container"]},
		})],
		"want": set(),
	},
	"loaded from nowhere": {
		"units": [object.union(need_reload("web.service"), {"loaded": {"load_state": "not-found"}})],
		"want": set(),
	},
	"several": {
		"units": [
			need_reload("a.service"), given.unit("b.service", {}),
			object.union(need_reload("c.service"), {"reload": {"loads_undeclared": ["/etc/x.conf"]}}),
		],
		"want": {
			["a.service", "heal", "ticket", "stale", "daemon-reload"],
			["c.service", "block", "ticket", "withheld"],
		},
	},
	"a generator's file is always newer": {
		"units": [with_file(given.fragment("web.service", {"origin": "generator", "changed_after_load": true}))],
		"want": set(),
	},
	"a link's own time": {
		"units": [with_file(given.wants("web.service", {"loaded": false, "changed_after_load": true}))],
		"want": set(),
	},
	"out of force": {
		"units": [with_file(given.dropin("web.service", {"effective": false, "changed_after_load": true}))],
		"want": set(),
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}

# reloaded is a unit for which a heal failed; the document's last reload was at 01:00:00.
reloaded(at, changes) := object.union(
	open_before_and(
		"web.service", [seen("stale", "2026-05-04T02:59:00Z")],
		[object.union(failed(1), {"last": at})],
	),
	changes,
)

test_a_reload_that_did_not_help[name] if {
	changed := {"files": [given.fragment("web.service", {"changed_after_load": true})]}

	some name, c in {
		"nothing changed since": {"unit": reloaded("2026-05-04T00:59:59Z", {}), "want": "block"},
		"not reloaded since the heal": {"unit": reloaded("2026-05-04T01:00:01Z", {}), "want": "heal"},
		"a file changed since": {"unit": reloaded("2026-05-04T00:59:59Z", changed), "want": "heal"},
		"a new finding": {"unit": reloaded("2026-05-04T00:59:59Z", {"history": {"findings": []}}), "want": "heal"},
		"a heal that helped": {
			"unit": reloaded("", {"history": {"heals": [object.union(failed(0), {"last": "2026-05-04T00:59:59Z"})]}}),
			"want": "heal",
		},
	}
	findings := rule.finding with input as given.document([c.unit]) with data.settings as {}
	{finding.effect | some finding in findings} == {c.want}
}

test_a_reload_that_did_not_help_says_so if {
	findings := rule.finding with input as given.document([reloaded("2026-05-04T00:59:59Z", {})]) with data.settings as {}
	{[finding.message, finding.severity, finding.evidence.reloaded] | some finding in findings} == {[
		concat("", [
			"web.service runs an older definition than the one on disk: need-daemon-reload",
			"; the last reload did not help, and nothing changed since",
		]),
		"ticket", "2026-05-04T01:00:00Z",
	]}
}

source(changes) := object.union(
	given.fragment("web@.service", changes),
	{"role": "source", "path": "/home/ada/.config/containers/systemd/web@.container"},
)

generated(changes) := given.template("web@.service", object.union(
	{"quadlet": true, "reload": {"loads_undeclared": [], "drops_declared": []}, "files": [source({})]},
	changes,
))

test_a_template_of_a_quadlet[name] if {
	some name, c in {
		"read": {"unit": generated({}), "want": set()},
		"edited": {
			"unit": generated({"files": [source({"changed_after_load": true})]}),
			"want": {["web@.service", "heal", "ticket", "changed", "daemon-reload"]},
		},
		"new": {
			"unit": generated({"files": [source({"loaded": false})]}),
			"want": {["web@.service", "heal", "ticket", "stale", "daemon-reload"]},
		},
		"a reload would load what is not declared": {
			"unit": generated({"files": [source({"loaded": false})], "reload": {"loads_undeclared": ["/x"]}}),
			"want": {["web@.service", "block", "ticket", "withheld"]},
		},
		"refused": {
			"unit": generated({"files": [source({"loaded": false})], "quadlet_errors": [{}]}),
			"want": set(),
		},
		"hidden": {"unit": generated({"files": [source({"loaded": false, "effective": false})]}), "want": set()},
		"a unit's": {
			"unit": given.template("web@.service", {"files": [given.fragment("web@.service", {"changed_after_load": true})]}),
			"want": set(),
		},
	}
	findings := rule.finding with input as given.document([c.unit])
	given.rows(findings) == c.want
}
