package stackpolicy.invariants.stack_owned_test

import data.stackpolicy.invariants.stack_owned as rule
import data.stackpolicy.lib_test as given

unowned(containers) := object.union(given.document([]), {"podman": {"unowned": containers}})

test_finding if {
	findings := rule.finding with input as unowned([
		given.container("blog_db_1", {"project": "blog"}),
		given.container("blog_app_1", {"project": "blog"}),
	])
	findings == {{
		"subject": "host",
		"effect": "block",
		"severity": "ticket",
		"message": "no managed unit owns project blog (containers: 2)",
		"evidence": {
			"case": "unowned", "project": "blog", "expected": "a managed unit", "found": "none",
			"containers": ["blog_app_1", "blog_db_1"],
		},
	}}
}

test_one_finding_a_project if {
	findings := rule.finding with input as unowned([
		given.container("a_1", {"project": "a"}),
		given.container("b_1", {"project": "b"}),
		given.container("lone", {"project": ""}),
	])
	{finding.evidence.project | some finding in findings} == {"a", "b"}
	given.rows(findings) == {["host", "block", "ticket", "unowned"]}
}

test_no_finding[name] if {
	some name, doc in {
		"holds": given.document([given.unit("web.service", {})]),
		"no project": unowned([given.container("lone", {"project": ""})]),
		"podman missing": given.without(unowned([given.container("a_1", {})]), ["podman"]),
	}
	findings := rule.finding with input as doc
	findings == set()
}
