# The parts from which the tests of the rules build documents: a document in which
# every invariant holds, and parts of it that a test changes with object.union.
package stackpolicy.lib_test

home := "/home/ada"

user_dir := concat("", [home, "/.config/systemd/user"])

store := "/nix/store/4p0hs1gkv3zcrlz2xh7ywxjm7cpq1v8r-home-manager-files"

# document is a snapshot of the given units, otherwise as it should be.
document(found) := object.union(nothing_found, {"units": found})

nothing_found := {
	"schema": "stackpolicy.facts/v1",
	"collected_at": "2026-05-04T03:02:01Z",
	"collectors": {name: {"ok": true, "error": "", "duration_ms": 3, "limit_ms": 10000} |
		some name in ["user", "systemd", "files", "home-manager", "applied", "podman", "images", "probes", "history", "quadlets", "storage"]
	},
	"host": {"name": "lab", "os": "NixOS 26.05"},
	"user": {
		"uid": 1000, "name": "ada", "home": home, "unit_dir": user_dir,
		"runtime_dir": "/run/user/1000", "linger": true,
	},
	"manager": {
		"version": "257.13", "state": "running", "transport": "bus",
		"started_at": "2026-05-04T00:59:00Z", "loaded_at": "2026-05-04T01:00:00Z",
		"unit_path": [
			concat("", [home, "/.config/systemd/user.control"]),
			"/run/user/1000/systemd/transient",
			user_dir,
			"/etc/systemd/user",
			"/usr/lib/systemd/user",
		],
		"audit_timer": {"load_state": "loaded", "active_state": "active"},
		"failed_without_file": [], "running_without_file": [],
	},
	"manager_files": {"files": [
		manager_file("/usr/lib/systemd/user-generators/podman-user-generator", "generator", "distribution", {}),
		manager_file("/etc/environment.d/proxy.conf", "environment", "administrator", {}),
	]},
	"declared": {
		"source": "home-manager",
		"generation": "/nix/store/9x1j-home-manager-generation",
		"files_dir": store,
		"unit_dir": concat("", [store, "/.config/systemd/user"]),
		"activation": {"state": "current", "ahead": []},
		"patterns": [], "backups": [],
	},
	"podman": {
		"present": true, "transport": "socket", "unowned": [],
		"auto_update_timer": {"load_state": "loaded", "active_state": "active"},
	},
	"auto_update": {"load_state": "loaded", "active_state": "inactive", "result": "success"},
	"storage": {
		"run_root": file_system("/run/user/1000/containers", "tmpfs"),
		"graph_root": file_system(concat("/", [home, ".local/share/containers/storage"]), "ext"),
	},
	"history": {"since": "2026-04-01T00:00:00Z", "findings": [], "heals": [], "exemptions": []},
}

file_system(path, type) := {"path": path, "type": type, "read_only": false, "free_mb": 42000, "free_inodes": 1000000}

# without is a document without some sections, as after a failed collector.
without(doc, sections) := object.remove(doc, sections)

# unit is a stack's oneshot as it should be, with changes.
unit(name, changes) := object.union(
	{
		"name": name, "managed_by": "home-manager", "stack": "web", "template": false, "quadlet": false,
		"loaded": {
			"load_state": "loaded", "active_state": "active", "sub_state": "exited", "unit_file_state": "linked",
			"fragment_path": in_user_dir(name), "fragment_origin": "user", "source_path": "", "dropin_paths": [],
			"need_daemon_reload": false, "type": "oneshot", "remain_after_exit": true, "timeout_start_sec": 180,
			"exec_start": [{"path": "/bin/stackctl", "ignore_failure": false}],
			"exec_start_post": [{"path": "/bin/stackctl", "ignore_failure": false}],
			"result": "success", "exec_main_status": 0, "n_restarts": 0,
			"job": "", "condition": "met", "assertion": "met",
			"wanted_by": ["default.target"], "triggered_by": [], "requirements_down": [],
			"differs": [], "links_unread": [], "links_gone": [], "pulls": [],
		},
		"files": [fragment(name, {})],
		"reload": {"loads_undeclared": [], "drops_declared": []},
		"containers": [container("web_app", {})],
		"services": [], "services_from": "",
		"probes": [],
		"history": {"findings": [], "heals": [], "exemptions": []},
	},
	changes,
)

# template is a unit without a loaded state, with changes.
template(name, changes) := object.union(
	object.remove(unit(name, {"template": true, "containers": []}), ["loaded", "reload"]),
	changes,
)

# fragment is the declared link of a unit, read by the manager, with changes.
fragment(name, changes) := object.union(
	{
		"path": in_user_dir(name), "role": "fragment", "of": "", "origin": "user", "kind": "link",
		"first_hop": declared(name), "target": concat("/", ["/nix/store/0c3d-unit", name]),
		"mode": "0444", "uid": 0, "digest": "sha256:00", "state": "declared", "declared_target": declared(name),
		"effective": true, "loaded": true, "changed_after_load": false,
	},
	changes,
)

# dropin is a declared drop-in of a unit, read by the manager, with changes.
dropin(name, changes) := fragment(concat("", [name, ".d/limits.conf"]), object.union({"role": "dropin"}, changes))

# wants is the declared link by which default.target starts a unit, with changes.
wants(name, changes) := fragment(
	concat("/", ["default.target.wants", name]),
	object.union({"role": "wants", "of": "default.target"}, changes),
)

# stranger is a file from elsewhere that is not declared and not read yet.
stranger(path, origin, role) := fragment("", {
	"path": path, "origin": origin, "role": role, "kind": "regular", "first_hop": "", "target": path,
	"state": "undeclared", "declared_target": "", "loaded": false,
})

# container is a healthy container that is auto-updated, with changes.
container(name, changes) := object.union(
	{
		"id": "6f0e", "name": name, "image": "localhost/app:1", "image_id": "9d5c", "pod": "", "infra": false,
		"state": "running", "health": "healthy", "exit_code": 0, "restarts": 0, "restart_policy": "always",
		"created_at": "2026-05-04T01:00:02Z", "started_at": "2026-05-04T01:00:03Z",
		"project": "web", "service": "app", "auto_update": "registry",
		"unit_label": {"name": "web.service", "valid": true, "load_state": "loaded"}, "labels": {},
	},
	changes,
)

# manager_file is a file that the manager reads besides unit files, in force for
# long, with changes.
manager_file(path, role, origin, changes) := object.union(
	{
		"path": path, "role": role, "origin": origin, "first_hop": "", "target": path, "mode": "0644", "uid": 0,
		"digest": "sha256:00", "effective": true, "changed_after_load": false,
	},
	changes,
)

# service is what is recorded of a service that runs one container, with changes.
service(name, changes) := object.union(
	{"name": name, "containers": 1, "one_shot": false, "health_check": false, "definition": "", "image_id": ""},
	changes,
)

# rows has what the findings decide, without their messages. A finding that breaks
# the contract of findings has no row.
rows(findings) := {array.concat(decided, acts(finding.effect, finding)) |
	some finding in findings
	count(finding.message) <= 160
	not contains(finding.message, "%!")
	decided := [finding.subject, finding.effect, finding.severity, finding.evidence.case]
}

acts("heal", finding) := [finding.action]

acts("block", finding) := [] if not "action" in object.keys(finding)

in_user_dir(name) := concat("/", [user_dir, name])

declared(name) := concat("/", [store, ".config/systemd/user", name])

test_good_document_is_complete if {
	doc := document([unit("web.service", {"files": [
		fragment("web.service", {}), dropin("web.service", {}), wants("web.service", {}),
	]})])
	doc.units[0].files[1].path == "/home/ada/.config/systemd/user/web.service.d/limits.conf"
	doc.units[0].files[2].path == "/home/ada/.config/systemd/user/default.target.wants/web.service"
}

test_row_needs_a_short_message if {
	long := sprintf("%0200d", [7])
	finding := {"subject": "host", "effect": "block", "severity": "page", "evidence": {"case": "a"}}
	rows({object.union(finding, {"message": "short"})}) == {["host", "block", "page", "a"]}
	rows({object.union(finding, {"message": long})}) == set()
}
