package stackpolicy.invariants.containers_labelled_test

import data.stackpolicy.invariants.containers_labelled as rule
import data.stackpolicy.lib_test as given

unlabelled := object.remove(given.container("web_app", {}), ["unit_label"])

labelled(label) := given.container("web_app", {"unit_label": label})

malformed := labelled({"name": "web service", "valid": false, "load_state": ""})

foreign := labelled({"name": "podman-compose@web.service", "valid": true, "load_state": "not-found"})

unverified := labelled({"name": "web.service", "valid": true, "load_state": ""})

owned(name, containers) := given.unit(name, {"containers": containers})

unowned(containers) := object.union(given.document([]), {"podman": {"unowned": containers}})

test_finding if {
	findings := rule.finding with input as given.document([owned("web.service", [foreign])])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": "auto-updated container web_app: its PODMAN_SYSTEMD_UNIT \"podman-compose@web.service\" is not loaded",
		"evidence": {
			"case": "foreign", "container": "web_app", "expected": "the name of a loaded unit of this user",
			"found": "podman-compose@web.service", "load_state": "not-found",
		},
	}}
}

test_missing if {
	findings := rule.finding with input as unowned([unlabelled])
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "page",
		"message": "container web_app is auto-updated, but has no PODMAN_SYSTEMD_UNIT label",
		"evidence": {
			"case": "missing", "container": "web_app", "expected": "the name of a loaded unit of this user",
			"found": "no label",
		},
	}}
}

test_pod_without_infra if {
	in_pod := given.container("web_app", {"pod": "2ec4"})
	findings := rule.finding with input as given.document([owned("web.service", [in_pod])])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": "auto-updated container web_app is in a pod without an infra container, so podman auto-update fails",
		"evidence": {
			"case": "pod-without-infra", "container": "web_app",
			"expected": "no pod, or one with an infra container", "found": "2ec4",
		},
	}}
}

test_pod_without_infra_by_version[version] if {
	page := {["web.service", "block", "page", "pod-without-infra"]}
	some version, want in {"4.3.1": set(), "4.0.0": set(), "4.4.0": page, "4.9.3": page, "5.4.2": page, "14.3.1": page, "": page}
	in_pod := given.container("web_app", {"pod": "2ec4"})
	doc := object.union(given.document([owned("web.service", [in_pod])]), {"storage": {"podman_version": version}})
	findings := rule.finding with input as doc
	given.rows(findings) == want
}

test_pod_with_infra[name] if {
	in_pod := given.container("web_app", {"pod": "2ec4"})
	infra := object.union(unlabelled, {"name": "2ec4-infra", "pod": "2ec4", "infra": true, "auto_update": ""})
	some name, doc in {
		"of the unit": given.document([owned("web.service", [in_pod, infra])]),
		"of nobody": object.union(given.document([owned("web.service", [in_pod])]), {"podman": {"unowned": [infra]}}),
	}
	findings := rule.finding with input as doc
	findings == set()
}

# A policy that podman does not know: everything fails, whatever the unit's label says.
test_unknown_policy[name] if {
	some name, c in {
		"weekly": {"policy": "weekly", "state": "running", "want": {["web.service", "block", "page", "policy"]}},
		"in capitals": {"policy": "Registry", "state": "running", "want": {["web.service", "block", "page", "policy"]}},
		"weekly, and it has ended": {"policy": "weekly", "state": "exited", "want": set()},
		"another name of registry": {"policy": "image", "state": "running", "want": set()},
		"local": {"policy": "local", "state": "running", "want": set()},
		"disabled": {"policy": "disabled", "state": "running", "want": set()},
	}
	is := given.container("web_app", {"auto_update": c.policy, "state": c.state})
	findings := rule.finding with input as given.document([owned("web.service", [is])])
	given.rows(findings) == c.want
}

test_unknown_policy_of_nobody if {
	findings := rule.finding with input as unowned([object.union(unlabelled, {"auto_update": "weekly"})])
	{[finding.subject, finding.message] | some finding in findings} == {[
		"host",
		"container web_app: podman auto-update fails for all containers, as it knows no policy \"weekly\"",
	]}
}

cases := {
	"one that has ended": {
		"doc": given.document([owned("web.service", [object.union(unlabelled, {"state": "exited"})])]),
		"want": set(),
	},
	"unowned, not auto-updated": {"doc": unowned([object.union(unlabelled, {"auto_update": ""})]), "want": set()},
	"holds": {"doc": given.document([given.unit("web.service", {})]), "want": set()},
	"unowned, but labelled": {"doc": unowned([given.container("web_app", {})]), "want": set()},
	"not auto-updated": {
		"doc": given.document([owned("web.service", [
			object.union(unlabelled, {"auto_update": ""}),
			object.union(unlabelled, {"auto_update": "disabled"}),
		])]),
		"want": set(),
	},
	"each case": {
		"doc": given.document([
			owned("a.service", [unlabelled]), owned("b.service", [malformed]), given.unit("c.service", {}),
			owned("d.service", [foreign]), owned("e.service", [unverified]),
		]),
		"want": {
			["a.service", "block", "page", "missing"], ["b.service", "block", "page", "malformed"],
			["d.service", "block", "page", "foreign"], ["e.service", "block", "page", "unverified"],
		},
	},
	"each case, unowned": {
		"doc": unowned([unlabelled, malformed, foreign, unverified]),
		"want": {["host", "block", "page", found] | some found in ["missing", "malformed", "foreign", "unverified"]},
	},
	"of an unmanaged unit": {
		"doc": given.document([object.union(owned("web.service", [unlabelled]), {"managed_by": ""})]),
		"want": set(),
	},
	"podman missing": {"doc": given.without(unowned([unlabelled]), ["podman"]), "want": set()},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as c.doc
	given.rows(findings) == c.want
}
