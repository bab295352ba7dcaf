package stackpolicy.invariants.activation_current_test

import data.stackpolicy.invariants.activation_current as rule
import data.stackpolicy.lib_test as given

activation(changes) := object.union(given.document([]), {"declared": {"activation": changes}})

test_finding if {
	findings := rule.finding with input as activation({
		"state": "failed", "ahead": ["/home/ada/.config/systemd/user/web.service"],
		"service": {
			"name": "home-manager-ada.service", "active_state": "failed", "result": "exit-code",
			"backup_extension": "", "backup_overwrite": false,
		},
	})
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "page",
		"message": "home-manager-ada.service failed (exit-code) (links of another generation: 1)",
		"evidence": {
			"pending": "", "failed_units": [],
			"case": "failed", "expected": "/nix/store/9x1j-home-manager-generation", "found": "failed", "links": 1,
			"ahead": ["/home/ada/.config/systemd/user/web.service"],
			"service": "home-manager-ada.service", "result": "exit-code",
		},
	}}
}

of_state(name, by, state) := given.unit(name, {"managed_by": by, "loaded": {"active_state": state}})

test_names_what_failed if {
	failed := [of_state(name, by, state) | some [name, by, state] in [
		["web.service", "home-manager", "active"], ["dns.service", "home-manager", "failed"],
		["new.service", "", "failed"], ["a.service", "", "failed"], ["z.service", "", "failed"],
	]]
	findings := rule.finding with input as object.union(
		activation({
			"state": "half-finished", "ahead": ["/a"], "pending": "/nix/store/b-home-manager-files",
		}),
		{"units": array.concat(failed, [given.template("t@.service", {})])},
	)
	some f in findings
	f.message == concat("", [
		"an activation stopped half-way (links of another generation: 1)",
		"; failed: a.service, dns.service, new.service",
	])
	f.evidence.failed_units == ["a.service", "dns.service", "new.service", "z.service"]
	f.evidence.pending == "/nix/store/b-home-manager-files"
}

# of_system is a document in which the NixOS module's unit has a generation.
of_system(state, changes) := activation({"state": state, "service": object.union(
	{"name": "home-manager-ada.service", "active_state": "inactive", "result": "success", "generation": newer},
	changes,
)})

newer := "/nix/store/7k2m-home-manager-generation"

test_not_activated if {
	findings := rule.finding with input as of_system("current", {})
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "the running system has another Home Manager generation than the one that was activated",
		"evidence": {
			"case": "not-activated", "expected": newer, "found": "/nix/store/9x1j-home-manager-generation",
			"service": "home-manager-ada.service",
		},
	}}
}

cases := {
	"the system's generation": {"doc": of_system("current", {"is_current": true}), "want": set()},
	"a unit without a generation": {"doc": json.remove(of_system("current", {}), ["declared/activation/service/generation"]), "want": set()},
	"the system's generation, being activated": {
		"doc": of_system("running", {"active_state": "activating"}),
		"want": {["host", "block", "ticket", "running"]},
	},
	"the system's generation, which failed": {
		"doc": of_system("failed", {"active_state": "failed"}),
		"want": {["host", "block", "page", "failed"]},
	},
	"holds": {"doc": given.document([]), "want": set()},
	"no source": {"doc": activation({"state": "none"}), "want": set()},
	"running": {"doc": activation({"state": "running"}), "want": {["host", "block", "ticket", "running"]}},
	"failed, of no service": {"doc": activation({"state": "failed"}), "want": {["host", "block", "page", "failed"]}},
	"half-finished": {
		"doc": activation({"state": "half-finished", "ahead": ["/a", "/b"]}),
		"want": {["host", "block", "page", "half-finished"]},
	},
	"current, but links are not": {
		"doc": activation({"state": "current", "ahead": ["/a"]}),
		"want": {["host", "block", "page", "other-generation"]},
	},
	"unheard of": {"doc": activation({"state": "lost"}), "want": {["host", "block", "page", "lost"]}},
	"declared missing": {"doc": given.without(given.document([]), ["declared"]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
