package facts

import "time"

// Podman is podman as a whole. Present false means not installed, which is a
// fact; podman that is there and does not answer is a gap.
type Podman struct {
	Present         bool        `json:"present"`
	Transport       string      `json:"transport" jsonschema:"socket, command, or empty when not present"`
	AutoUpdateTimer *Activity   `json:"auto_update_timer,omitempty" jsonschema:"podman-auto-update.timer of the user manager; absent when the manager could not be asked"`
	Unowned         []Container `json:"unowned" jsonschema:"containers that belong to no managed unit"`
}

// AutoUpdate is the unit that runs podman auto-update. Without podman, or such a
// unit, all of it is empty.
type AutoUpdate struct {
	LoadState   string     `json:"load_state"`
	ActiveState string     `json:"active_state"`
	Result      string     `json:"result" jsonschema:"of the last run: success, exit-code, timeout, …"`
	StartedAt   *time.Time `json:"started_at,omitempty" jsonschema:"when the last run began; absent without one since the manager started"`
	EndedAt     *time.Time `json:"ended_at,omitempty" jsonschema:"when it ended; absent while it runs"`
}

// Container is one podman container.
type Container struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Image         string            `json:"image"`
	ImageID       string            `json:"image_id" jsonschema:"id of the image it was created from"`
	ImageNow      *ImageNow         `json:"image_now,omitempty" jsonschema:"the image that its image's name means now; absent where it means none, where it has a digest, and where images is a gap"`
	RolledBack    *RolledBack       `json:"rolled_back,omitempty" jsonschema:"the last run of auto-update rolled an update of it back; absent where it did not"`
	Pod           string            `json:"pod" jsonschema:"name or id of its pod, or empty"`
	Infra         bool              `json:"infra" jsonschema:"a pod's own pause container"`
	State         string            `json:"state" jsonschema:"created, initialized, running, paused, exited, stopped, stopping, removing or dead"`
	Health        string            `json:"health" jsonschema:"starting, healthy or unhealthy; empty without a health check"`
	Check         *HealthCheck      `json:"check,omitempty" jsonschema:"how its health is checked; absent without a health check"`
	ExitCode      int               `json:"exit_code"`
	Restarts      int               `json:"restarts"`
	RestartPolicy string            `json:"restart_policy" jsonschema:"always, unless-stopped, on-failure, no or empty"`
	CreatedAt     *time.Time        `json:"created_at,omitempty"`
	StartedAt     *time.Time        `json:"started_at,omitempty"`
	FinishedAt    *time.Time        `json:"finished_at,omitempty"`
	Project       string            `json:"project" jsonschema:"compose project, or empty"`
	Service       string            `json:"service" jsonschema:"compose service, or empty"`
	OneOff        bool              `json:"one_off,omitempty" jsonschema:"compose run made it, beside the containers of its service"`
	AutoUpdate    string            `json:"auto_update" jsonschema:"value of io.containers.autoupdate, or empty"`
	UnitLabel     *UnitLabel        `json:"unit_label,omitempty" jsonschema:"what PODMAN_SYSTEMD_UNIT names; absent without that label"`
	Labels        map[string]string `json:"labels" jsonschema:"its labels; a value that looks like a secret by its key is masked as (masked), and what is longer than 16 KiB is cut"`
	LabelsLeft    int               `json:"labels_left,omitempty" jsonschema:"how many labels are left out here, because they are too many or too long; never one that stackpolicy reads"`
	Settings      *Settings         `json:"settings,omitempty" jsonschema:"what it was created with; absent in documents of older versions"`
}

// ImageNow is an image in local storage.
type ImageNow struct {
	ID      string     `json:"id"`
	BuiltAt *time.Time `json:"built_at,omitempty" jsonschema:"when it was built, as it says itself"`
}

// RolledBack is an update that did not last.
type RolledBack struct {
	At time.Time `json:"at" jsonschema:"when the run ended"`
}

// HealthCheck is how a container's health is checked.
type HealthCheck struct {
	IntervalSec    float64 `json:"interval_sec" jsonschema:"seconds between two checks; 0 when they are disabled"`
	TimeoutSec     float64 `json:"timeout_sec"`
	StartPeriodSec float64 `json:"start_period_sec" jsonschema:"seconds in which a failed check does not count"`
	Retries        int     `json:"retries" jsonschema:"checks that fail in a row before it is unhealthy"`
	FailingStreak  int     `json:"failing_streak" jsonschema:"checks that failed in a row, up to now"`
	Overdue        bool    `json:"overdue" jsonschema:"it runs, but the check does not: it is starting for longer than these settings allow, or its last check is older than they allow"`
}

// Settings are what a container was created with: what it can reach, and who can
// reach it.
type Settings struct {
	ImageDigest  string   `json:"image_digest" jsonschema:"sha256:… of its image's manifest; empty without an image"`
	NetworkMode  string   `json:"network_mode" jsonschema:"bridge, host, none, pasta, slirp4netns, container:ID, …"`
	Networks     []string `json:"networks" jsonschema:"names of the networks that it is in"`
	Ports        []Port   `json:"ports" jsonschema:"ports that it publishes"`
	Mounts       []Mount  `json:"mounts"`
	Privileged   bool     `json:"privileged"`
	User         string   `json:"user" jsonschema:"user that it runs as inside, and group, as given or of its image; empty is root"`
	LeftOut      int      `json:"left_out,omitempty" jsonschema:"ports and mounts that are left out here: of each, the first 200 are kept"`
	Capabilities []string `json:"capabilities" jsonschema:"capabilities that its processes can have at most, such as CAP_CHOWN"`
}

// Port is a port that a container publishes.
type Port struct {
	HostIP    string `json:"host_ip" jsonschema:"empty is every address"`
	Host      int    `json:"host"`
	Container int    `json:"container"`
	Protocol  string `json:"protocol" jsonschema:"tcp, udp or sctp"`
}

// Mount is a volume or folder in a container.
type Mount struct {
	Type     string `json:"type" jsonschema:"volume, bind, tmpfs, …"`
	Name     string `json:"name" jsonschema:"of a volume; otherwise empty"`
	Source   string `json:"source" jsonschema:"on the host"`
	Target   string `json:"target" jsonschema:"in the container"`
	ReadOnly bool   `json:"read_only"`
}

// UnitLabel is the unit that a container's PODMAN_SYSTEMD_UNIT label names.
type UnitLabel struct {
	Name      string `json:"name"`
	Valid     bool   `json:"valid" jsonschema:"it is a well-formed unit name"`
	LoadState string `json:"load_state" jsonschema:"load state of that unit in this user's manager; empty when not asked or not valid"`
}

// QuadletError is why podman's generator makes no unit from a quadlet.
type QuadletError struct {
	Path    string `json:"path" jsonschema:"the quadlet, a source of the unit"`
	Cause   string `json:"cause" jsonschema:"the file at fault: the quadlet, another file whose fault leaves no unit of this one, or empty when that is not known"`
	Message string `json:"message" jsonschema:"the reason in the words of the generator, at most 400 bytes"`
}
