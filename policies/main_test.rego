package stackpolicy_test

import data.stackpolicy
import data.stackpolicy.lib_test as given

# found is the findings that are there, by invariant.
found(findings_by_id) := {id: given.rows(findings) | some id, findings in findings_by_id; count(findings) > 0}

test_good_document_has_no_finding if {
	found(stackpolicy.findings) == {} with input as given.document([
		given.unit("web.service", {}),
		given.template("web@.service", {}),
	])
		with data.settings as {}
}

test_every_invariant_is_asked if {
	findings := stackpolicy.findings with input as given.document([])
	object.keys(findings) == {id | some id; is_set(stackpolicy.invariants[id].finding)}
	"linger_enabled" in object.keys(findings)
}

test_empty_document_is_silent_but_for_the_manager if {
	findings := stackpolicy.findings with input as {} with data.settings as {}
	found(findings) == {"user_manager_running": {["host", "block", "page", "no-answer"]}}
}

test_unmanaged_units_are_never_judged if {
	findings := stackpolicy.findings with input as given.document([given.unit("web.service", {
		"managed_by": "",
		"loaded": {
			"load_state": "loaded", "fragment_origin": "etc", "active_state": "failed",
			"need_daemon_reload": true, "exec_start_post": [], "dropin_paths": ["/gone.conf"],
		},
		"files": [given.fragment("web.service", {"state": "mask", "loaded": false})],
		"containers": [],
	})])
		with data.settings as {}
	found(findings) == {}
}
