# METADATA
# title: podman's storage is right after a reboot, and has space
# description: |
#   podman keeps in its runroot which containers run. If that folder is not on a tmpfs,
#   it outlives a reboot, and podman believes that containers run which do not. Images,
#   containers and volumes are in its graphroot: an update of an image needs space and
#   files there beside the old one, and a database that cannot write may be damaged.
#   How much is enough is data.settings.storage, as numbers and not as a share of the
#   disk. Without podman, and without managed containers, there is nothing to judge.
# schemas:
#   - input: schema.facts
#   - data.settings: schema.settings
# custom:
#   class: host
#   severity: ticket
#   needs: [storage]
#   actions: []
#   runbook: storage_survives_reboot.md
package stackpolicy.invariants.storage_survives_reboot

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("podman's runroot is on %s, so after a reboot podman believes that old containers run", [run_root.type]),
	"evidence": {"case": "runroot", "path": run_root.path, "expected": "tmpfs", "found": run_root.type},
} if {
	not run_root.type in {"tmpfs", "ramfs"}
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": "podman's storage is mounted read-only: no container can be created, and none can write",
	"evidence": {"case": "read-only", "path": graph_root.path, "expected": "writable", "found": "read-only"},
} if {
	graph_root.read_only
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("podman's storage has %d MB left, less than the %d MB of the settings", [graph_root.free_mb, wanted.free_mb]),
	"evidence": {"case": "space", "path": graph_root.path, "expected": wanted.free_mb, "found": graph_root.free_mb},
} if {
	graph_root.free_mb < wanted.free_mb
}

finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "ticket",
	"message": sprintf("podman's storage can hold %d more files, less than the %d of the settings", [graph_root.free_inodes, wanted.free_inodes]),
	"evidence": {"case": "inodes", "path": graph_root.path, "expected": wanted.free_inodes, "found": graph_root.free_inodes},
} if {
	graph_root.free_inodes < wanted.free_inodes
}

run_root := input.storage.run_root

graph_root := input.storage.graph_root

wanted := data.settings.storage
