package stackpolicy.invariants.fragment_in_user_dir_test

import data.stackpolicy.invariants.fragment_in_user_dir as rule
import data.stackpolicy.lib_test as given

etc := "/etc/systemd/user/web.service"

ours := given.in_user_dir("web.service")

# loaded_from is the unit as loaded from another path, its declared link gone.
loaded_from(name, path, origin) := given.unit(name, {
	"loaded": {"fragment_path": path, "fragment_origin": origin},
	"files": [given.fragment(name, {"kind": "missing", "state": "missing", "effective": false, "loaded": false})],
	"reload": {"drops_declared": []},
})

# unread is the same unit after its declared link came back.
unread(name, changes) := object.union_n([
	loaded_from(name, etc, "etc"),
	{"files": [given.fragment(name, {"loaded": false})]},
	changes,
])

quadlet(origin, path, source_origin) := given.unit("web.service", {
	"quadlet": true,
	"loaded": {"fragment_origin": origin, "fragment_path": "/run/web.service", "source_path": path},
	"files": [
		given.fragment("web.service", {"origin": "generator", "path": "/run/web.service", "state": "generated"}),
		given.fragment("web.service", {"role": "source", "origin": source_origin, "path": "/q/web.container"}),
	],
})

# refused is a quadlet from which podman makes no unit.
refused(load_state) := given.unit("web.service", {
	"quadlet": true,
	"quadlet_errors": [{"path": "/q/web.container", "cause": "/q/web.container", "message": "unsupported key"}],
	"loaded": {"load_state": load_state, "fragment_origin": "", "fragment_path": "", "source_path": ""},
	"files": [given.fragment("web.service", {"role": "source", "path": "/q/web.container", "loaded": false})],
})

test_finding if {
	findings := rule.finding with input as given.document([loaded_from("web.service", etc, "etc")])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": sprintf("web.service is loaded from %s, not from %s", [etc, ours]),
		"evidence": {"case": "etc", "path": etc, "expected": ours, "found": etc},
	}}
}

# A mask that the generation declares.
test_declared_mask[name] if {
	page := {["web.service", "block", "page", "masked"]}
	some name, c in {
		"declared": {"file": {}, "state": "inactive", "want": set()},
		"declared, but it still runs": {"file": {}, "state": "active", "want": page},
		"by hand": {"file": {"state": "mask"}, "state": "inactive", "want": page},
		"declared, but another one is in force": {"file": {"effective": false}, "state": "inactive", "want": page},
		"declared, but as a unit": {"file": {"target": "/nix/store/0c3d-unit/web.service"}, "state": "inactive", "want": page},
	}
	unit := given.unit("web.service", {
		"loaded": {"load_state": "masked", "active_state": c.state},
		"files": [given.fragment("web.service", object.union({"target": "/dev/null"}, c.file))],
	})
	findings := rule.finding with input as given.document([unit])
	given.rows(findings) == c.want
}

test_heal if {
	findings := rule.finding with input as given.document([unread("web.service", {})])
	findings == {{
		"subject": "web.service",
		"effect": "heal",
		"severity": "ticket",
		"message": sprintf("%s is declared and on disk, but the manager has not read it", [ours]),
		"evidence": {"case": "unread", "path": ours, "expected": ours, "found": etc},
		"action": "daemon-reload",
	}}
}

test_nowhere if {
	findings := rule.finding with input as given.document([object.union(
		loaded_from("web.service", "", ""),
		{"loaded": {"load_state": "not-found"}, "files": []},
	)])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": sprintf("web.service has no unit file; expected %s", [ours]),
		"evidence": {"case": "not-found", "path": ours, "expected": ours, "found": "not-found"},
	}}
}

mask := {"load_state": "masked", "fragment_path": "/run/user/1000/systemd/user/web.service"}

broken := {"load_state": "bad-setting"}

cases := {
	"unheard of": {
		"units": [loaded_from("web.service", "/opt/web.service", "local")],
		"want": {["web.service", "block", "page", "other"]},
	},
	"masked from an unheard-of folder": {
		"units": [object.union(loaded_from("web.service", "/o/w", "local"), {"loaded": {"load_state": "masked"}})],
		"want": {["web.service", "block", "page", "masked"]},
	},
	"an unread drop-in is not the unit": {
		"units": [unread("web.service", {"files": [given.dropin("web.service", {"loaded": false})]})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"an unread file elsewhere": {
		"units": [unread("web.service", {"files": [given.fragment("web.service", {"loaded": false, "origin": "other"})]})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"masked in /etc": {
		"units": [object.union(loaded_from("web.service", etc, "etc"), {"loaded": {"load_state": "masked"}})],
		"want": {["web.service", "block", "page", "masked"]},
	},
	"masked at run time": {
		"units": [object.union(loaded_from("web.service", "/r/w", "runtime"), {"loaded": {"load_state": "masked"}})],
		"want": {["web.service", "block", "page", "masked"]},
	},
	"holds": {"units": [given.unit("web.service", {})], "want": set()},
	"merged into another": {"units": [given.unit("web.service", {"loaded": {"load_state": "merged"}})], "want": set()},
	"a template": {"units": [given.template("web@.service", {})], "want": set()},
	"unmanaged": {
		"units": [object.union(loaded_from("web.service", etc, "etc"), {"managed_by": ""})],
		"want": set(),
	},
	"several": {
		"units": [loaded_from("a.service", etc, "etc"), given.unit("b.service", {}), loaded_from("c.service", etc, "etc")],
		"want": {["a.service", "block", "page", "etc"], ["c.service", "block", "page", "etc"]},
	},
	"control": {
		"units": [loaded_from("web.service", "/c/web.service", "control")],
		"want": {["web.service", "block", "page", "outranked"]},
	},
	"runtime": {
		"units": [loaded_from("web.service", "/r/web.service", "runtime")],
		"want": {["web.service", "block", "page", "outranked"]},
	},
	"generator": {
		"units": [loaded_from("web.service", "/g/web.service", "generator")],
		"want": {["web.service", "block", "page", "outranked"]},
	},
	"distribution": {
		"units": [loaded_from("web.service", "/usr/lib/systemd/user/web.service", "distribution")],
		"want": {["web.service", "block", "page", "distribution"]},
	},
	"other": {
		"units": [loaded_from("web.service", "/opt/web.service", "other")],
		"want": {["web.service", "block", "page", "other"]},
	},
	"loaded without a file": {
		"units": [loaded_from("web.slice", "", "")],
		"want": {["web.slice", "block", "page", "not-found"]},
	},
	"inactive and not found": {
		"units": [object.union(
			loaded_from("web.service", "", ""),
			{"loaded": {"load_state": "not-found", "active_state": "inactive"}},
		)],
		"want": {["web.service", "block", "page", "not-found"]},
	},
	"masked": {
		"units": [given.unit("web.service", {"loaded": mask})],
		"want": {["web.service", "block", "page", "masked"]},
	},
	"bad setting": {
		"units": [given.unit("web.service", {"loaded": broken})],
		"want": {["web.service", "block", "page", "load-error"]},
	},
	"masked, mask gone, unread": {
		"units": [given.unit("web.service", {
			"loaded": mask,
			"files": [given.fragment("web.service", {"changed_after_load": true})],
		})],
		"want": {["web.service", "heal", "ticket", "unread", "daemon-reload"]},
	},
	"unread, identical copy": {
		"units": [unread("web.service", {"files": [given.fragment("web.service", {"loaded": false, "state": "identical"})]})],
		"want": {["web.service", "heal", "ticket", "unread", "daemon-reload"]},
	},
	"unread, but a reload would load something else too": {
		"units": [unread("web.service", {"reload": {"loads_undeclared": ["/etc/x.conf"]}})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"unread, but drifted": {
		"units": [unread("web.service", {"files": [given.fragment("web.service", {"loaded": false, "state": "different"})]})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"unread, but something else comes first": {
		"units": [unread("web.service", {"files": [given.fragment("web.service", {"loaded": false, "effective": false})]})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"unread, and a reload did not help": {
		"units": [unread("web.service", {"history": {
			"findings": [{"invariant": "fragment_in_user_dir", "case": "unread", "since": "2026-05-04T00:59:00Z"}],
			"heals": [{"action": "daemon-reload", "invariant": "fragment_in_user_dir", "failed_24h": 1, "last": "2026-05-04T00:59:59Z"}],
		}})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"a quadlet that is refused": {"units": [refused("not-found")], "want": set()},
	"a quadlet that is refused, and a file in its place": {
		"units": [object.union(refused("loaded"), {"loaded": {"fragment_path": etc, "fragment_origin": "etc"}})],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"a quadlet that was not read": {
		"units": [object.remove(refused("not-found"), ["quadlet_errors"])],
		"want": {["web.service", "heal", "ticket", "unread", "daemon-reload"]},
	},
	"a quadlet of the user": {"units": [quadlet("generator", "/q/web.container", "user")], "want": set()},
	"a quadlet of the system": {
		"units": [quadlet("generator", "/q/web.container", "etc")],
		"want": {["web.service", "block", "page", "etc"]},
	},
	"a quadlet from a file nobody saw": {
		"units": [quadlet("generator", "/gone/web.container", "user")],
		"want": {["web.service", "block", "page", "other"]},
	},
	"a quadlet hidden by a file": {
		"units": [quadlet("etc", "", "user")],
		"want": {["web.service", "block", "page", "etc"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
