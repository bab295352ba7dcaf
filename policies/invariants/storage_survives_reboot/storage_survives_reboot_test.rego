package stackpolicy.invariants.storage_survives_reboot_test

import data.stackpolicy.invariants.storage_survives_reboot as rule
import data.stackpolicy.lib_test as given

# on is a document in which podman's storage has some changes.
on(run_root, graph_root) := object.union(given.document([]), {"storage": {"run_root": run_root, "graph_root": graph_root}})

test_findings if {
	findings := rule.finding with input as on({"type": "ext"}, {"free_mb": 990, "free_inodes": 19000, "read_only": true})
	findings == {
		{
			"subject": "host", "effect": "block", "severity": "ticket",
			"message": "podman's runroot is on ext, so after a reboot podman believes that old containers run",
			"evidence": {"case": "runroot", "path": "/run/user/1000/containers", "expected": "tmpfs", "found": "ext"},
		},
		{
			"subject": "host", "effect": "block", "severity": "ticket",
			"message": "podman's storage is mounted read-only: no container can be created, and none can write",
			"evidence": {"case": "read-only", "path": graph_root, "expected": "writable", "found": "read-only"},
		},
		{
			"subject": "host", "effect": "block", "severity": "ticket",
			"message": "podman's storage has 990 MB left, less than the 1000 MB of the settings",
			"evidence": {"case": "space", "path": graph_root, "expected": 1000, "found": 990},
		},
		{
			"subject": "host", "effect": "block", "severity": "ticket",
			"message": "podman's storage can hold 19000 more files, less than the 20000 of the settings",
			"evidence": {"case": "inodes", "path": graph_root, "expected": 20000, "found": 19000},
		},
	}
}

graph_root := "/home/ada/.local/share/containers/storage"

test_cases[name] if {
	some name, c in {
		"as it should be": {"doc": given.document([]), "want": set()},
		"on a ramfs": {"doc": on({"type": "ramfs"}, {}), "want": set()},
		"on an unknown file system": {"doc": on({"type": "0x1234"}, {}), "want": {"runroot"}},
		"the graphroot on another file system": {"doc": on({}, {"type": "btrfs"}), "want": set()},
		"the graphroot on a tmpfs": {"doc": on({}, {"type": "tmpfs"}), "want": set()},
		"just enough": {"doc": on({}, {"free_mb": 1000, "free_inodes": 20000}), "want": set()},
		"no space at all": {"doc": on({}, {"free_mb": 0}), "want": {"space"}},
		"a full runroot": {"doc": on({"free_mb": 0, "free_inodes": 0}, {}), "want": set()},
		"files without a limit": {
			"doc": json.remove(on({}, {}), ["storage/graph_root/free_inodes"]),
			"want": set(),
		},
		"no podman, or no managed containers": {"doc": object.union(given.without(given.document([]), ["storage"]), {"storage": {}}), "want": set()},
		"not collected": {"doc": given.without(given.document([]), ["storage"]), "want": set()},
	}
	findings := rule.finding with input as c.doc
	{row[3] | some row in given.rows(findings)} == c.want
	count(findings) == count(c.want)
}

test_settings if {
	small := on({}, {"free_mb": 90, "free_inodes": 500})
	rule.finding == set() with input as small with data.settings.storage as {"free_mb": 90, "free_inodes": 500}
	rule.finding == set() with input as on({}, {"free_mb": 0, "free_inodes": 0}) with data.settings.storage as {"free_mb": 0, "free_inodes": 0}
	count(rule.finding) == 2 with input as small with data.settings.storage as {"free_mb": 91, "free_inodes": 501}
}
