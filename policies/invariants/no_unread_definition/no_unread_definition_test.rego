package stackpolicy.invariants.no_unread_definition_test

import data.stackpolicy.invariants.no_unread_definition as rule
import data.stackpolicy.lib_test as given

etc := "/etc/systemd/user/web.service"

ours := given.in_user_dir("web.service")

# moved is a unit loaded from /etc whose declared link has just appeared.
moved(name, changes) := object.union(
	given.unit(name, {
		"loaded": {"fragment_path": etc, "fragment_origin": "etc"},
		"files": [
			given.fragment(name, {"loaded": false}),
			object.union(given.stranger(etc, "etc", "fragment"), {"loaded": true, "effective": false}),
		],
	}),
	changes,
)

test_heal if {
	findings := rule.finding with input as given.document([moved("web.service", {})])
	findings == {{
		"subject": "web.service",
		"effect": "heal",
		"severity": "ticket",
		"message": sprintf("%s has not been read; the manager still has %s", [ours, etc]),
		"evidence": {"case": "unread", "path": ours, "expected": ours, "found": etc},
		"action": "daemon-reload",
	}}
}

test_withheld if {
	lists := {"loads_undeclared": ["/etc/a.conf"], "drops_declared": ["/home/ada/b.conf"]}
	findings := rule.finding with input as given.document([moved("web.service", {"reload": lists})])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": sprintf("%s has not been read: a reload is withheld", [ours]),
		"evidence": {
			"case": "withheld", "path": ours, "expected": ours, "found": etc, "culprit": "/etc/a.conf",
			"would_load": ["/etc/a.conf"], "would_drop": ["/home/ada/b.conf"],
		},
	}}
}

cases := {
	"out of force": {
		"units": [moved("web.service", {"files": [given.fragment("web.service", {"loaded": false, "effective": false})]})],
		"want": set(),
	},
	"holds": {"units": [given.unit("web.service", {})], "want": set()},
	"a template": {
		"units": [given.template("web@.service", {"files": [given.fragment("web@.service", {"loaded": false})]})],
		"want": set(),
	},
	"unmanaged": {"units": [moved("web.service", {"managed_by": ""})], "want": set()},
	"several": {
		"units": [moved("a.service", {}), given.unit("b.service", {}), moved("c.service", {})],
		"want": {
			["a.service", "heal", "ticket", "unread", "daemon-reload"],
			["c.service", "heal", "ticket", "unread", "daemon-reload"],
		},
	},
	"a reload did not help": {
		"units": [moved("web.service", {"history": {
			"findings": [{"invariant": "no_unread_definition", "case": "unread", "since": "2026-05-04T00:59:00Z"}],
			"heals": [{"action": "daemon-reload", "invariant": "no_unread_definition", "failed_24h": 1, "last": "2026-05-04T00:59:59Z"}],
		}})],
		"want": {["web.service", "block", "page", "unread"]},
	},
	"loaded from nowhere": {
		"units": [moved("web.service", {"loaded": {"load_state": "not-found", "fragment_path": ""}})],
		"want": {["web.service", "heal", "ticket", "unread", "daemon-reload"]},
	},
	"an unread drop-in is not a definition": {
		"units": [given.unit("web.service", {"files": [given.dropin("web.service", {"loaded": false})]})],
		"want": set(),
	},
	"the loaded file is gone, and a lower one exists": {
		"units": [given.unit("web.service", {
			"files": [given.stranger(etc, "etc", "fragment")],
			"reload": {"loads_undeclared": [etc], "drops_declared": [ours]},
		})],
		"want": set(),
	},
	"a folder of unknown rank": {
		"units": [given.unit("web.service", {
			"files": [given.stranger("/opt/units/web.service", "other", "fragment")],
			"reload": {"loads_undeclared": ["/opt/units/web.service"]},
		})],
		"want": {["web.service", "block", "page", "withheld"]},
	},
	"another source of a quadlet, which is refused": {
		"units": [given.unit("web.service", {
			"quadlet": true,
			"quadlet_errors": [{"path": "/q/web.container", "cause": "/q/web.container", "message": "unsupported key"}],
			"loaded": {"source_path": "/etc/containers/systemd/users/web.container"},
			"files": [given.fragment("web.service", {"role": "source", "path": "/q/web.container", "loaded": false})],
		})],
		"want": set(),
	},
	"another source of a quadlet": {
		"units": [given.unit("web.service", {
			"quadlet": true,
			"loaded": {"source_path": "/etc/containers/systemd/users/web.container"},
			"files": [given.fragment("web.service", {"role": "source", "path": "/q/web.container", "loaded": false})],
		})],
		"want": {["web.service", "heal", "ticket", "unread", "daemon-reload"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
