package facts

// Storage is podman's storage. Without podman, and if no managed unit has containers, both
// are absent.
type Storage struct {
	RunRoot   *FileSystem `json:"run_root,omitempty" jsonschema:"podman's runroot: which containers run, their sockets and locks; it must not survive a reboot"`
	Version   string      `json:"podman_version,omitempty" jsonschema:"podman's version, such as 5.4.2; absent if it does not say it"`
	GraphRoot *FileSystem `json:"graph_root,omitempty" jsonschema:"podman's graphroot: images, containers and volumes"`
}

// FileSystem is the file system that a folder is on. What is free is rounded down to two
// digits, so that not every audit has another document.
type FileSystem struct {
	Path       string `json:"path" jsonschema:"the folder"`
	Type       string `json:"type" jsonschema:"tmpfs, ramfs, ext, xfs, btrfs, zfs, f2fs, bcachefs, overlay, nfs, cifs, fuse, or 0x… (the number of statfs(2)) for any other"`
	ReadOnly   bool   `json:"read_only" jsonschema:"it is mounted read-only, as after an error of its disk"`
	FreeMB     int64  `json:"free_mb" jsonschema:"space that is left for an ordinary account, in 10^6 bytes; a quota is not counted"`
	FreeInodes *int64 `json:"free_inodes,omitempty" jsonschema:"files that can still be created; absent where their number is not limited, as on btrfs"`
}
