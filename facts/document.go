// Package facts is the document that an audit decides on: what the user manager
// has loaded, what is on disk, what Home Manager declares, and which containers
// run. A decision depends on the document and on the policies alone, so it can
// be repeated later and on another machine.
//
// Start at [Document]. [Read] reads one from a file; package collect makes one.
package facts

import "time"

// Schema names the version of the document's shape.
const Schema = "stackpolicy.facts/v1"

// Document is one snapshot. A section that could not be collected is absent
// (nil), never empty, and its collector says why in Collectors.
type Document struct {
	Schema       string                     `json:"schema" jsonschema:"the version of this shape"`
	CollectedAt  time.Time                  `json:"collected_at" jsonschema:"when the collection of the snapshot started"`
	Collectors   map[string]CollectorStatus `json:"collectors" jsonschema:"every collector by name, and whether it succeeded"`
	Host         *Host                      `json:"host,omitempty" jsonschema:"the machine"`
	User         *User                      `json:"user,omitempty" jsonschema:"the account whose manager is audited"`
	Manager      *Manager                   `json:"manager,omitempty" jsonschema:"the systemd user manager"`
	ManagerFiles *ManagerFiles              `json:"manager_files,omitempty" jsonschema:"what the manager reads at each reload besides unit files"`
	Declared     *Declared                  `json:"declared,omitempty" jsonschema:"what the Home Manager generation and the configuration declare"`
	Podman       *Podman                    `json:"podman,omitempty" jsonschema:"podman as a whole; the containers of a unit are under that unit"`
	AutoUpdate   *AutoUpdate                `json:"auto_update,omitempty" jsonschema:"podman-auto-update.service of the user manager, and its last run"`
	Storage      *Storage                   `json:"storage,omitempty" jsonschema:"where podman keeps containers and images"`
	History      *HostHistory               `json:"history,omitempty" jsonschema:"what earlier audits saw and did on the host as a whole"`
	Release      *Release                   `json:"release,omitempty" jsonschema:"the releases of rules that the account takes from its fleet; absent if it takes none, and in documents of earlier versions"`
	Local        *map[string]LocalFact      `json:"local,omitempty" jsonschema:"the operator's own facts, by name: the files of facts.d; present if a loaded rule reads it"`
	Units        []Unit                     `json:"units" jsonschema:"every managed unit, and the unmanaged units that a rule needs to know, sorted by name"`
}

// CollectorStatus says whether a collector succeeded.
type CollectorStatus struct {
	OK         bool   `json:"ok" jsonschema:"false: its sections are gaps"`
	Error      string `json:"error" jsonschema:"the reason of its failure; empty when ok"`
	DurationMS int64  `json:"duration_ms" jsonschema:"how long it took, in milliseconds"`
	LimitMS    int64  `json:"limit_ms" jsonschema:"its time limit, in milliseconds"`
}

// Host is the machine the snapshot was taken on.
type Host struct {
	Name string `json:"name" jsonschema:"kernel host name"`
	OS   string `json:"os" jsonschema:"PRETTY_NAME of os-release; empty when it does not exist"`

	BootedAt *time.Time `json:"booted_at,omitempty" jsonschema:"when the kernel started"`
	// A package manager writes its log until it ends, so this is about the end of its run.
	PackagesAt *time.Time `json:"packages_at,omitempty" jsonschema:"when packages were last changed: the end of the log of dpkg, pacman or dnf, or the last switch of a NixOS system; absent when none is known"`

	HomeFS  *FileSystem `json:"home_fs,omitempty" jsonschema:"file system of the account's home"`
	StateFS *FileSystem `json:"state_fs,omitempty" jsonschema:"file system of stackpolicy's state folder"`
}

// User is the account whose manager is audited.
type User struct {
	UID        int    `json:"uid"`
	Name       string `json:"name"`
	Home       string `json:"home"`
	UnitDir    string `json:"unit_dir" jsonschema:"the user's unit folder, $XDG_CONFIG_HOME/systemd/user"`
	RuntimeDir string `json:"runtime_dir" jsonschema:"$XDG_RUNTIME_DIR"`
	// Others may put files into these.
	OpenFolders []string `json:"open_folders,omitempty" jsonschema:"folders of unit files and quadlets, and their parents up to the home, into which others than the user and root can put files; absent without any"`
	Linger      bool     `json:"linger" jsonschema:"the user manager starts at boot and outlives the last session"`
}

// Manager is the user manager as a whole.
type Manager struct {
	Version    string    `json:"version" jsonschema:"free text, e.g. 252.39-1~deb12u1"`
	State      string    `json:"state" jsonschema:"SystemState: initializing, starting, running, degraded, maintenance or stopping"`
	Transport  string    `json:"transport" jsonschema:"how it was asked: bus, or private (the manager's own socket)"`
	UnitPath   []string  `json:"unit_path" jsonschema:"folders searched for unit files, highest priority first"`
	StartedAt  time.Time `json:"started_at" jsonschema:"when it started"`
	LoadedAt   time.Time `json:"loaded_at" jsonschema:"start of the last reload; before the first one, when the manager finished loading units"`
	AuditTimer Activity  `json:"audit_timer" jsonschema:"stackpolicy-audit.timer"`
	// Watch is nil in documents of earlier versions.
	Watch *Activity `json:"watch,omitempty" jsonschema:"stackpolicy-watch.service, which audits instead of the timer; absent in documents of earlier versions"`
	// DefaultTarget is nil in documents of earlier versions.
	DefaultTarget *Activity `json:"default_target,omitempty" jsonschema:"default.target, which the manager starts, and with it what should always run; absent in documents of earlier versions"`
	FailedNoFile  []string  `json:"failed_without_file" jsonschema:"units in failed state that no longer have a unit file"`
	RunningNoFile []string  `json:"running_without_file" jsonschema:"services, timers, sockets and paths that run and no longer have a unit file"`
}

// ManagerFiles is what the manager reads when it starts and at each reload, besides
// unit files (environment.d(5), systemd.environment-generator(7),
// systemd.generator(7), systemd-user.conf(5)).
type ManagerFiles struct {
	Files []ManagerFile `json:"files" jsonschema:"by role, in the order in which systemd searches their folders"`
}

// ManagerFile is one file that the manager reads or runs.
type ManagerFile struct {
	Path             string     `json:"path"`
	Role             string     `json:"role" jsonschema:"environment (environment.d), environment-generator, generator, configuration (user.conf), or acting: a file or link of a unit that is not managed, changed since the last load, by which the reload itself starts or stops units (Upholds=, BindsTo=, StopWhenUnneeded=)"`
	Origin           string     `json:"origin" jsonschema:"distribution or administrator (only root can change it), declared (by the current Home Manager generation), own (in the user's folder, where no generation declares anything), unsafe (others than root and, in the user's folder, the user can change it) or undeclared"`
	FirstHop         string     `json:"first_hop" jsonschema:"what readlink says; empty when no link"`
	Target           string     `json:"target" jsonschema:"the path after all links; empty when it does not resolve"`
	Mode             string     `json:"mode" jsonschema:"permission bits of the final file, octal, e.g. 0644"`
	UID              int        `json:"uid" jsonschema:"owner of the final file; -1 when it does not resolve"`
	Digest           string     `json:"digest" jsonschema:"sha256:… of the final file's content (of environment.d hmac-sha256:…, keyed by machine and account); empty when it cannot be read, is no regular file or is larger than 1 MiB"`
	Mtime            *time.Time `json:"mtime,omitempty" jsonschema:"mtime of the final file"`
	ChangedAt        *time.Time `json:"changed_at,omitempty" jsonschema:"newest ctime of the path and its links outside the store; of an undeclared file also its folder's"`
	Effective        bool       `json:"effective" jsonschema:"the manager would use it at a reload: no file of its name comes first, and a generator can be run"`
	ChangedAfterLoad bool       `json:"changed_after_load" jsonschema:"changed_at is not before the manager's loaded_at: a reload may bring something new in force"`
}

// Activity is whether a unit exists and runs.
type Activity struct {
	LoadState   string `json:"load_state"`
	ActiveState string `json:"active_state"`
	SubState    string `json:"sub_state,omitempty" jsonschema:"elapsed: a timer that does not elapse again; absent in documents of earlier versions"`
}

// Declared has what the Home Manager generation and the configuration declare.
type Declared struct {
	Source     string     `json:"source" jsonschema:"home-manager, or empty: then the user's unit folder is itself the declaration"`
	Generation string     `json:"generation" jsonschema:"store path of the current generation; empty without a source"`
	FilesDir   string     `json:"files_dir" jsonschema:"store path that the links of the current generation point into; empty without a source"`
	UnitDir    string     `json:"unit_dir" jsonschema:"folder of FilesDir that is linked into the user's unit folder; empty without a source"`
	Activation Activation `json:"activation"`
	Patterns   []Pattern  `json:"patterns" jsonschema:"the configuration's unit patterns"`
	Gone       []GoneUnit `json:"gone,omitempty" jsonschema:"units that a pattern matched at an earlier audit and that no longer exist, for a week; absent without any, and with Home Manager, whose generation says what there should be"`
	Nameless   []string   `json:"nameless,omitempty" jsonschema:"declared files in the user's unit folder whose names systemd does not take for units, such as my app.service, and quadlets that become such units; absent without any"`
	IdleHolds  []string   `json:"idle_holds,omitempty" jsonschema:"units that the configuration holds and that are not managed"`
	Backups    []Backup   `json:"backups" jsonschema:"files beside declared files that look like backups of an activation"`
}

// Activation is the state of the last or running Home Manager activation.
type Activation struct {
	State   string             `json:"state" jsonschema:"none (no source), current, running, half-finished or failed"`
	Since   *time.Time         `json:"since,omitempty" jsonschema:"when the running or half-finished activation began"`
	Ahead   []string           `json:"ahead" jsonschema:"links that belong to a generation other than the current one"`
	Pending string             `json:"pending" jsonschema:"store path that all links ahead point into: the files of the generation whose activation did not reach its end; empty if they point into several, and without any"`
	Service *ActivationService `json:"service,omitempty" jsonschema:"the NixOS module's unit; absent when it does not exist or there is no readable system bus"`
}

// ActivationService is the unit by which NixOS activates a user's generation.
type ActivationService struct {
	Name            string `json:"name"`
	ActiveState     string `json:"active_state"`
	Result          string `json:"result"`
	BackupExtension string `json:"backup_extension" jsonschema:"HOME_MANAGER_BACKUP_EXT of the service, without the dot; empty when unset"`
	Generation      string `json:"generation,omitempty" jsonschema:"store path of the generation that it activates, the one of the running system; absent when that is not known"`
	IsCurrent       bool   `json:"is_current,omitempty" jsonschema:"the current generation is that one, or one of its specialisations"`
	BackupOverwrite bool   `json:"backup_overwrite" jsonschema:"HOME_MANAGER_BACKUP_OVERWRITE is set: an old backup is overwritten silently"`
}

// Pattern is one unit pattern of the configuration.
type Pattern struct {
	Pattern string `json:"pattern"`
	Matched int    `json:"matched" jsonschema:"how many units it matched"`
}

// GoneUnit is a unit that no longer exists.
type GoneUnit struct {
	Unit    string    `json:"unit"`
	Pattern string    `json:"pattern" jsonschema:"of the configuration, which still matches other units"`
	Since   time.Time `json:"since" jsonschema:"when an audit first found it gone"`
}

// Backup is a file in the place where an activation would put its backup.
type Backup struct {
	Path    string `json:"path"`
	Of      string `json:"of" jsonschema:"the declared file it is a backup of"`
	Certain bool   `json:"certain" jsonschema:"its extension is the one the activation service is configured with"`
}

// Unit is everything about one unit, so that rules need no joins.
type Unit struct {
	Name          string         `json:"name"`
	ManagedBy     string         `json:"managed_by" jsonschema:"home-manager, config, or empty: only recorded, not judged"`
	Stack         string         `json:"stack" jsonschema:"the stack it applies; empty when it applies none"`
	Template      bool           `json:"template" jsonschema:"a template (web@.service) has no loaded state of its own"`
	Quadlet       bool           `json:"quadlet" jsonschema:"generated by podman from a source file, which is then the file that is declared"`
	QuadletErrors []QuadletError `json:"quadlet_errors,omitempty" jsonschema:"why podman's generator makes no unit from its sources; absent when it does, and for units that are no quadlets"`
	Loaded        *Loaded        `json:"loaded,omitempty" jsonschema:"what the manager runs; absent for templates and gaps"`
	Files         []File         `json:"files" jsonschema:"every file that defines or alters it, in the order systemd reads them"`
	Reload        *Reload        `json:"reload,omitempty" jsonschema:"what a daemon-reload would do to it; absent when loaded is absent, except for a template that is generated from a quadlet"`
	Containers    []Container    `json:"containers" jsonschema:"its containers; empty when podman is a gap"`
	Services      []Service      `json:"services" jsonschema:"services of its compose files as they were last applied; empty when nothing is recorded"`
	ServicesFrom  string         `json:"services_from" jsonschema:"where services come from: record (as stackctl last applied them), files (the compose files as they are now), changed-files (the same, and they may have changed after the unit started, so that they may not be applied), or empty"`
	Applied       *Applied       `json:"applied,omitempty" jsonschema:"what stackctl recorded of its last apply; absent when the configuration names no compose files"`
	Probes        []Probe        `json:"probes" jsonschema:"what its probes answered, in the order of the configuration; empty when no probe is configured, or its unit is inactive or stopping"`
	History       *History       `json:"history,omitempty" jsonschema:"what earlier audits saw and did on it; absent when the history could not be read"`
	Properties    *Properties    `json:"properties,omitempty" jsonschema:"limits, use, dependencies, last exit, and the times of a timer; present if a loaded rule reads it"`
	Verify        *Verify        `json:"verify,omitempty" jsonschema:"only while stackctl verifies it: then containers that are not ready yet are findings too"`
}

// Loaded is a unit as the manager has it in memory, from D-Bus.
type Loaded struct {
	LoadState        string        `json:"load_state" jsonschema:"loaded, not-found, masked, bad-setting, error, merged or stub"`
	ActiveState      string        `json:"active_state" jsonschema:"active, reloading, inactive, failed, activating, deactivating, maintenance, refreshing"`
	SubState         string        `json:"sub_state"`
	UnitFileState    string        `json:"unit_file_state" jsonschema:"cached by systemd, so it never proves drift"`
	FragmentPath     string        `json:"fragment_path" jsonschema:"empty when not found; for a mask the path that masks it"`
	FragmentOrigin   string        `json:"fragment_origin" jsonschema:"kind of its folder: user, control, runtime, generator, etc, distribution, other, or empty"`
	SourcePath       string        `json:"source_path" jsonschema:"the file a generator made it from, or empty"`
	DropInPaths      []string      `json:"dropin_paths"`
	DropInsUnsaid    bool          `json:"dropins_unsaid,omitempty" jsonschema:"the manager cannot say its drop-ins, because the name of one is not UTF-8; dropin_paths are those on disk"`
	NeedDaemonReload bool          `json:"need_daemon_reload" jsonschema:"systemd's own opinion, which does not notice changes of files with mtime 1; false if the audit had the unit read"`
	Type             string        `json:"type" jsonschema:"service type; empty for other units"`
	RemainAfterExit  bool          `json:"remain_after_exit"`
	TimeoutStartSec  float64       `json:"timeout_start_sec" jsonschema:"seconds; -1 when infinite or not a service"`
	StartPre         []Command     `json:"exec_start_pre,omitempty" jsonschema:"commands that run before ExecStart; absent without any"`
	Start            []Command     `json:"exec_start" jsonschema:"commands of ExecStart, without their arguments"`
	StartPost        []Command     `json:"exec_start_post" jsonschema:"commands that run after ExecStart; arguments are left out, they may hold secrets"`
	StartsServices   []string      `json:"starts_services,omitempty" jsonschema:"compose services that ExecStart names; absent when it starts all, or when that is not known"`
	StartsAlone      bool          `json:"starts_alone,omitempty" jsonschema:"those services are started without what they depend on"`
	Stop             []StopCommand `json:"exec_stop,omitempty" jsonschema:"commands of ExecStop and ExecStopPost, as in the files that are loaded; a restart runs them too; absent without any"`
	Result           string        `json:"result" jsonschema:"success, exit-code, timeout, …; empty for other units"`
	ReloadResult     string        `json:"reload_result,omitempty" jsonschema:"how its last reload by ExecReload ended: success, exit-code, timeout, …; a start sets it to success; absent without ExecReload"`
	ExitStatus       int           `json:"exec_main_status"`
	Restarts         int           `json:"n_restarts"`
	Job              string        `json:"job" jsonschema:"type of the job that is queued or runs for it: start, stop, restart, …; empty without one"`
	StateChange      *time.Time    `json:"state_change,omitempty" jsonschema:"when ActiveState or SubState last changed"`
	InactiveExit     *time.Time    `json:"inactive_exit,omitempty" jsonschema:"when it last began to start; absent when it never did since the manager started"`
	ActiveSince      *time.Time    `json:"active_enter,omitempty"`
	ActiveExit       *time.Time    `json:"active_exit,omitempty" jsonschema:"when it last ceased to be active; absent when it never did since the manager started"`
	Condition        string        `json:"condition" jsonschema:"its Condition…= settings at the last start: met, not-met, or empty when they were not checked"`
	Assertion        string        `json:"assertion" jsonschema:"its Assert…= settings at the last start: met, not-met, or empty when they were not checked"`
	WantedBy         []string      `json:"wanted_by" jsonschema:"active targets that want, require or uphold it, as loaded"`
	Repeats          bool          `json:"repeats,omitempty" jsonschema:"a timer that is to elapse more than once: OnUnitActiveSec=, OnUnitInactiveSec=, or an OnCalendar= that is no single day"`
	TriggeredBy      []string      `json:"triggered_by" jsonschema:"active timers, sockets and paths that start it"`
	RequirementsDown []string      `json:"requirements_down" jsonschema:"units that it requires or is bound to, and that are inactive or failed"`
	Differs          []Difference  `json:"differs" jsonschema:"settings whose loaded value is certainly not the value on disk"`
	LinksUnread      []string      `json:"links_unread" jsonschema:"units whose wants, requires or upholds link on disk the manager has not read"`
	LinksGone        []string      `json:"links_gone" jsonschema:"units that pull it in as loaded, by a link that is no longer on disk; its own name where it is it that pulls in another one so"`
	Pulls            []Pull        `json:"pulls" jsonschema:"units that it pulls in as loaded, without those that systemd adds itself; empty for targets"`
}

// Pull is a unit that another one pulls in: a start or restart of that one starts it.
type Pull struct {
	Unit        string `json:"unit"`
	Kind        string `json:"kind" jsonschema:"wants, requires, binds-to or upholds"`
	LoadState   string `json:"load_state" jsonschema:"empty when it is not in the manager's memory"`
	ActiveState string `json:"active_state" jsonschema:"empty when it is not in the manager's memory"`
	Declared    bool   `json:"declared" jsonschema:"a declared file or link of the unit says so"`
}

// Command is one Exec line, without its arguments.
type Command struct {
	Path          string `json:"path"`
	IgnoreFailure bool   `json:"ignore_failure" jsonschema:"a failure does not fail the unit"`
}

// StopCommand is one ExecStop or ExecStopPost line, without its arguments.
type StopCommand struct {
	Path            string `json:"path"`
	IgnoreFailure   bool   `json:"ignore_failure"`
	StopsContainers string `json:"stops_containers" jsonschema:"how it stops or removes containers whenever it runs, such as podman-compose down; empty when it is not known to, and for stackctl, which leaves them on a restart"`
}

// Difference is one setting that is loaded with another value than on disk.
// Values that may hold secrets are digests with a key of this machine and account.
type Difference struct {
	Key    string `json:"key"`
	Loaded string `json:"loaded"`
	OnDisk string `json:"on_disk"`
}

// File is one file that defines or alters a unit.
type File struct {
	Path             string     `json:"path"`
	Role             string     `json:"role" jsonschema:"fragment, dropin, source, source-dropin; wants, requires or upholds: a link by which another unit pulls it in; own-wants, own-requires or own-upholds: a link by which it pulls in another one"`
	Of               string     `json:"of" jsonschema:"for links: the other unit"`
	Origin           string     `json:"origin" jsonschema:"kind of its folder: user, control, runtime, generator, etc, distribution, other"`
	Kind             string     `json:"kind" jsonschema:"regular, link, directory, missing or other"`
	FirstHop         string     `json:"first_hop" jsonschema:"target of the link; empty when it is not a link"`
	Target           string     `json:"target" jsonschema:"the path after all links; empty when it does not resolve"`
	Mode             string     `json:"mode" jsonschema:"permission bits of the final file, octal, e.g. 0444"`
	UID              int        `json:"uid" jsonschema:"owner of the final file; -1 when it does not resolve"`
	Digest           string     `json:"digest" jsonschema:"sha256:… of the final file's content; empty when it cannot be read or is not a regular file"`
	LinkMtime        *time.Time `json:"link_mtime,omitempty" jsonschema:"mtime of the path itself"`
	Mtime            *time.Time `json:"mtime,omitempty" jsonschema:"mtime of the final file; 1970-01-01T00:00:01Z in the Nix store"`
	ChangedAt        *time.Time `json:"changed_at,omitempty" jsonschema:"newest ctime of the path and its links outside the store; unlike an mtime it cannot be set back"`
	State            string     `json:"state" jsonschema:"declared, identical, different, other-generation, pending (as declared by the generation whose activation did not reach its end), missing, dangling, foreign-link, mask, directory, unsafe, unreadable, undeclared or generated"`
	DeclaredTarget   string     `json:"declared_target" jsonschema:"declared target of the link; empty when it is not declared"`
	Effective        bool       `json:"effective" jsonschema:"the manager would use it if it loaded the unit now"`
	Loaded           bool       `json:"loaded" jsonschema:"the manager has it loaded"`
	ChangedAfterLoad bool       `json:"changed_after_load" jsonschema:"changed_at is not before the manager's loaded_at, and no revision stamp proves that this content is loaded"`
}

// Reload has what a daemon-reload would do to a unit, apart from reading declared files.
// Both lists are empty if a reload is safe for the unit.
type Reload struct {
	LoadsUndeclared []string `json:"loads_undeclared" jsonschema:"files that are not declared, and not already loaded with this content"`
	DropsDeclared   []string `json:"drops_declared" jsonschema:"declared files that are loaded and no longer usable on disk"`
}

// Service is one compose service that a stack should have.
type Service struct {
	Name        string `json:"name"`
	Containers  int    `json:"containers" jsonschema:"how many containers it has"`
	OneShot     bool   `json:"one_shot" jsonschema:"runs to its end and exits 0, as a migration does: restart is no, or others wait for it to complete"`
	HealthCheck bool   `json:"health_check" jsonschema:"the compose files declare a health check; an image may have one as well"`
	Definition  string `json:"definition" jsonschema:"what the label io.stackpolicy.definition of its containers was when stackctl applied it, keyed by machine and account as the label in the document is; empty when that is not known"`
	ImageID     string `json:"image_id" jsonschema:"id of the image that its containers were made from then; empty when that is not known"`
}

// Probe is one probe of a running stack, with its result.
type Probe struct {
	Kind           string     `json:"kind" jsonschema:"http or tcp"`
	Target         string     `json:"target" jsonschema:"URL without user, password and query, or HOST:PORT"`
	Expected       string     `json:"expected" jsonschema:"the expected answer, in words"`
	OK             bool       `json:"ok"`
	Status         int        `json:"status" jsonschema:"HTTP status of the answer; 0 without one, and for tcp"`
	LatencyMS      int64      `json:"latency_ms" jsonschema:"how long it took, in milliseconds, rounded up to 10, 20, 50, 100, 200, 500, …"`
	Error          string     `json:"error" jsonschema:"why it is not ok; otherwise empty"`
	CertificateEnd *time.Time `json:"certificate_end,omitempty" jsonschema:"end of the service's TLS certificate, accepted or not; absent without a certificate"`
}

// Applied is the record of a stack's last apply, compared with the files that are there
// now.
type Applied struct {
	State      string        `json:"state" jsonschema:"recorded, none (never applied by stackctl) or unreadable"`
	Error      string        `json:"error" jsonschema:"why the record cannot be read; otherwise empty"`
	At         *time.Time    `json:"at,omitempty" jsonschema:"when it was applied"`
	Project    string        `json:"project" jsonschema:"compose project that was applied"`
	Busy       bool          `json:"busy" jsonschema:"stackctl is applying or stopping the stack now"`
	Invocation string        `json:"invocation" jsonschema:"invocation id of the unit's start that applied it; empty when applied by hand"`
	Stale      bool          `json:"stale" jsonschema:"when it was applied, the manager had loaded an older definition than the one on disk"`
	Changed    []AppliedFile `json:"changed" jsonschema:"files of the unit, compose files and env files that changed since they were applied"`
	Unusable   []BadFile     `json:"unusable,omitempty" jsonschema:"files without which stackctl's preflight refuses an apply, so that a restart would only stop the unit; absent without any"`
	Step       string        `json:"step" jsonschema:"the last step of the last apply: preflight, apply or verify"`
	Status     int           `json:"status" jsonschema:"stackctl's exit status in that step; 0 is success"`
	Message    string        `json:"message" jsonschema:"message of stackctl about it"`
	RolledBack *Undone       `json:"rolled_back,omitempty" jsonschema:"a later apply that failed and was undone, so that what was applied at the time above runs again; absent otherwise"`
}

// Undone is an apply that stackctl rolled back.
type Undone struct {
	At      time.Time `json:"at" jsonschema:"when it was undone"`
	Message string    `json:"message" jsonschema:"how it had failed"`
}

// AppliedFile is a file that changed since it was applied.
type AppliedFile struct {
	Path    string `json:"path"`
	Role    string `json:"role" jsonschema:"unit, compose, env, or named: a file that the compose files name, as include, extends or env_file"`
	Applied string `json:"applied" jsonschema:"hmac-sha256:… when it was applied, keyed by machine and account; empty when it did not exist"`
	Found   string `json:"found" jsonschema:"hmac-sha256:… now, keyed likewise; empty when it does not exist or cannot be read"`
}

// BadFile is a file that an apply needs and cannot use.
type BadFile struct {
	Path   string `json:"path"`
	Role   string `json:"role" jsonschema:"compose, env, secret or named"`
	Reason string `json:"reason" jsonschema:"what follows the path in a sentence, such as: is missing"`
}

// Verify is a verification that is running.
type Verify struct {
	Restarted []string `json:"restarted" jsonschema:"containers that started again since they were first seen up"`
	Healthy   bool     `json:"healthy" jsonschema:"containers with a health check must be healthy; starting is not enough"`
}
