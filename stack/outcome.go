package stack

// Outcome is one way a verb can end. Names, exit statuses and message ids are
// promises to users.
type Outcome struct {
	Name      string
	Status    int    // exit status
	MessageID string // of its journal entry (systemd.journal-fields(7)); "" for those that are only printed
	Priority  int    // of its journal entry, as in syslog(3)
	Meaning   string
}

// Priorities of syslog(3).
const (
	priorityError   = 3
	priorityWarning = 4
	priorityInfo    = 6
)

// The ways a verb can end. Below 200, where systemd's own statuses begin
// (systemd.exec(5), "Process Exit Codes").
var (
	Ready       = Outcome{"preflight-passed", 0, "09266df38be547b497eff67b1c7ec3da", priorityInfo, "preflight: everything that an apply needs is there"}
	Applied     = Outcome{"applied", 0, "d5186d0b8b4844b18863e1a52141d63f", priorityInfo, "apply: the compose provider did its work"}
	Verified    = Outcome{"verified", 0, "34271c799a1c4e539dda66335bf1d7c1", priorityInfo, "verify: every service is up, and stayed up"}
	Stopped     = Outcome{"stopped", 0, "4d1c8a7e0b6f4c3c9f52a3d7e8b10c66", priorityInfo, "down: the containers are stopped"}
	LeftRunning = Outcome{"left-running", 0, "9be3f1d2c7a54e0ab8d6f0c4a1e27735", priorityInfo, "down: the unit restarts, and the containers were left alone"}
	Adopted     = Outcome{"adopted", 0, "ea7a530a19ae4de688cc4129dc8c4c40", priorityInfo, "adopt: what runs is recorded as applied"}
	Prefetched  = Outcome{"prefetched", 0, "215539c51d244186bb8596886cf8a298", priorityInfo, "prefetch: the images of the next apply are here"}
	IsUp        = Outcome{"up", 0, "", 0, "status: every stack is up"}

	Broken = Outcome{"internal-error", 1, "902923cc3c514f7b857a83ed705c82f2", priorityError, "the program itself failed"}
	Usage  = Outcome{"usage", 2, "c60198b85658426f85e8e511d6a565f8", priorityError, "bad usage, configuration or policies"}

	BadCompose  = Outcome{"compose-invalid", 10, "fcbb1584b7464884af796c75bfe18781", priorityError, "preflight, apply: a compose file is missing or invalid"}
	BadEnv      = Outcome{"env-file", 11, "d99954ebc06c45bf9132b36b9c570d94", priorityError, "preflight: an env file is missing, or may not be read"}
	BadSecret   = Outcome{"secret-file", 12, "1ce4f73d0832482094dced567a485ee3", priorityError, "preflight: a secret is missing, may not be read, or others may read it"}
	BadLabel    = Outcome{"unit-label", 13, "438996ffe5ca4984a57e2102fc879314", priorityError, "preflight: an auto-updated service names another unit than its stack's"}
	NoPodman    = Outcome{"podman-silent", 14, "0ca997a3ab2c477ba77df2ec081a437a", priorityError, "preflight, apply: podman is missing or does not answer"}
	NoRegistry  = Outcome{"registry-silent", 15, "5b74e3074f7c4620a310eb23a978ea82", priorityError, "preflight: a registry does not answer"}
	Locked      = Outcome{"locked", 16, "e0581fcca7a84720b589438a6f70c087", priorityError, "preflight, apply: another apply of the stack is running"}
	WouldLose   = Outcome{"data-loss", 17, "7f0f0a3b9b2a4d0c8d1a5c1f0e6b7a91", priorityError, "preflight, apply: data in an anonymous volume would be left behind"}
	Blocked     = Outcome{"blocked", 18, "c2b7f3d5a1e94c0f9a6d2b8e4f7c1035", priorityError, "preflight, apply: something on this machine would make the apply fail"}
	HeldBack    = Outcome{"rolled-back-before", 19, "223242a74def418fa84206067ec611a8", priorityError, "preflight: an automatic restart would apply again what was rolled back"}
	NoProvider  = Outcome{"provider-missing", 20, "fea7f5291c024f6b952504b07a2e6e0d", priorityError, "preflight, apply: no compose provider that can run the compose files"}
	ApplyFailed = Outcome{"apply-failed", 21, "52362dcae65c4ec0b4bf4c3424071261", priorityError, "apply: the compose provider failed"}
	ApplyCut    = Outcome{"apply-interrupted", 22, "3d000135a7c54d3ca695a1813b344dec", priorityError, "preflight, apply: it was asked to stop in the middle"}
	DownFailed  = Outcome{"down-failed", 23, "e5a9c07b31d84f6d97c2b4e6f8a0d113", priorityError, "down: not all containers were stopped"}
	UnitStopped = Outcome{"unit-stopped", 24, "4b58c21f54fe4178904f9355aee308cf", priorityInfo, "preflight, apply, verify: the unit was stopped, and that ended it"}
	NotAdopted  = Outcome{"not-adopted", 25, "f36cbc064aa24b6697afba7a1604d58d", priorityError, "adopt: a container is not what the compose files say"}
	NotFetched  = Outcome{"not-prefetched", 26, "e060ad7b73e245da95d2be8d4ee8fda0", priorityError, "prefetch: an image cannot be fetched or built"}
	ServiceDown = Outcome{"service-failed", 30, "17b74724077c4d339431032053bd1ffa", priorityError, "verify: a service ended, restarts, or is not healthy"}
	NotInTime   = Outcome{"not-ready", 31, "9b2fab723971415196ad833e3bbfcc12", priorityError, "verify: a service was not up in time"}
	CannotLook  = Outcome{"cannot-verify", 32, "f3ee7b405ca142cd99df49b0f31b0f68", priorityError, "verify: whether the services are up could not be determined"}
	VerifyCut   = Outcome{"verify-interrupted", 33, "eac5bab1c3a247a7bf332ac56942a82b", priorityError, "verify: it was asked to stop in the middle"}
	NotApplied  = Outcome{"not-applied", 34, "21097a8f0fd44a7ea79b4e6382181612", priorityError, "verify: the services are up, but a container is not what is declared"}
	RolledBack  = Outcome{"rolled-back", 35, "79d1af8b3dfd47a28e05d6f0f715eaa3", priorityError, "apply, verify: failed; what was verified before runs again, and is up"}
	BackFailed  = Outcome{"rollback-failed", 36, "22cb58c0341b48e292ba0fe5e25f6d9a", priorityError, "apply, verify: failed, and so did the rollback"}

	UpButFailed = Outcome{"up-apply-failed", 40, "", 0, "status: a stack is up, but its last apply failed"}
	Degraded    = Outcome{"degraded", 41, "", 0, "status: some services of a stack are not up"}
	Down        = Outcome{"down", 42, "", 0, "status: nothing of a stack runs"}
	Unknown     = Outcome{"unknown", 43, "", 0, "status: how a stack is could not be determined"}
)

// Outcomes lists them all, by exit status.
func Outcomes() []Outcome {
	return []Outcome{
		Ready, Applied, Verified, Stopped, LeftRunning, Adopted, Prefetched, IsUp, Broken, Usage,
		BadCompose, BadEnv, BadSecret, BadLabel, NoPodman, NoRegistry, Locked,
		WouldLose, Blocked, HeldBack,
		NoProvider, ApplyFailed, ApplyCut, DownFailed, UnitStopped, NotAdopted, NotFetched, ServiceDown, NotInTime, CannotLook, VerifyCut, NotApplied, RolledBack, BackFailed,
		UpButFailed, Degraded, Down, Unknown,
	}
}
