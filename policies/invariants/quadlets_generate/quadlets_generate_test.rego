package stackpolicy.invariants.quadlets_generate_test

import data.stackpolicy.invariants.quadlets_generate as rule
import data.stackpolicy.lib_test as given

path := "/home/ada/.config/containers/systemd/web.container"

bad_key := {"path": path, "cause": path, "message": "unsupported key 'NoSuchKey' in group 'Container'"}

broken := "/home/ada/.config/containers/systemd/broken.container"

# refused is a quadlet from which no unit is made.
refused(name, error) := given.unit(name, {
	"quadlet": true, "quadlet_errors": [error], "files": [],
	"loaded": {"load_state": "not-found", "active_state": "inactive"},
})

edited(name, error) := object.union(refused(name, error), {"loaded": {"load_state": "loaded", "active_state": "active"}})

hindered(name) := refused(name, {"path": sprintf("/q/%s", [name]), "cause": broken, "message": "file contains line 1"})

test_refused if {
	findings := rule.finding with input as given.document([refused("web.service", bad_key)])
	findings == {{
		"subject": "web.service",
		"effect": "block",
		"severity": "page",
		"message": "podman makes no unit from web.container: unsupported key 'NoSuchKey' in group 'Container'",
		"evidence": {"case": "refused", "path": path, "expected": "web.service", "found": bad_key.message},
	}}
}

test_other_file if {
	findings := rule.finding with input as given.document([hindered("b.service"), hindered("a.service")])
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "page",
		"message": "podman makes no unit from 2 quadlets because of broken.container: file contains line 1",
		"evidence": {
			"case": "other-file", "path": broken, "expected": "a unit from each", "found": "file contains line 1",
			"units": ["a.service", "b.service"],
		},
	}}
}

cases := {
	"holds": {"units": [given.unit("web.service", {"quadlet": true})], "want": set()},
	"a template that is accepted": {"units": [given.template("web@.service", {"quadlet": true})], "want": set()},
	"a template": {
		"units": [given.template("web@.service", {"quadlet": true, "quadlet_errors": [bad_key]})],
		"want": {["web@.service", "block", "page", "refused"]},
	},
	"unmanaged": {"units": [object.union(refused("web.service", bad_key), {"managed_by": ""})], "want": set()},
	"unmanaged, of another file": {"units": [object.union(hindered("web.service"), {"managed_by": ""})], "want": set()},
	"edited while it runs": {
		"units": [edited("web.service", bad_key)],
		"want": {["web.service", "block", "page", "edited"]},
	},
	"nobody knows why": {
		"units": [refused("web.service", object.union(bad_key, {"cause": ""}))],
		"want": {["web.service", "block", "page", "not-generated"]},
	},
	"a long reason": {
		"units": [refused("web.service", object.union(bad_key, {"message": sprintf("%0300d", [7])}))],
		"want": {["web.service", "block", "page", "refused"]},
	},
	"the culprit and the others": {
		"units": [
			hindered("a.service"), hindered("b.service"), given.unit("fine.service", {}),
			refused("broken.service", {"path": broken, "cause": broken, "message": "file contains line 1"}),
		],
		"want": {["broken.service", "block", "page", "refused"], ["host", "block", "page", "other-file"]},
	},
}

test_cases[name] if {
	some name, c in cases
	findings := rule.finding with input as given.document(c.units)
	given.rows(findings) == c.want
}
