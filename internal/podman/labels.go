package podman

import (
	"slices"
	"strings"
)

// Labels of containers that podman and the compose providers set or read.
const (
	LabelUnit       = "PODMAN_SYSTEMD_UNIT"                     // podman-auto-update(1): the unit to restart
	LabelAutoUpdate = "io.containers.autoupdate"                // podman-auto-update(1): the policy
	LabelProject    = "com.docker.compose.project"              // set by all providers
	LabelService    = "com.docker.compose.service"              // set by all providers
	LabelOneOff     = "com.docker.compose.oneoff"               // set by docker-compose; True for compose run
	LabelConfigHash = "com.docker.compose.config-hash"          // set by docker-compose and its library
	LabelVersion    = "com.docker.compose.version"              // set by docker-compose, not by its library
	LabelProjectOwn = "io.podman.compose.project"               // set by podman-compose
	LabelHashOwn    = "io.podman.compose.config-hash"           // set by podman-compose; 1.0 writes 123
	LabelFolder     = "com.docker.compose.project.working_dir"  // the project's folder
	LabelFiles      = "com.docker.compose.project.config_files" // compose files, separated by commas
)

// read are the labels that something reads, besides those of this program.
var read = []string{LabelUnit, LabelAutoUpdate, LabelProject, LabelService, LabelOneOff, LabelConfigHash, LabelVersion, LabelProjectOwn, LabelHashOwn, LabelFolder, LabelFiles}

// IsRead reports whether something reads the label with this key.
func IsRead(key string) bool {
	return slices.Contains(read, key) || strings.HasPrefix(key, "io.stackpolicy.")
}
