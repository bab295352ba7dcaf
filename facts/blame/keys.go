package blame

import (
	"strings"

	"stackpolicy/internal/unitfile"
)

// How the assignments of one key go together (systemd --dump-configuration-items, and the
// manual pages; lab/proof asks a manager about each).
type kind int

const (
	scalar     kind = iota // the last one counts
	list                   // all count; an empty one empties the list
	dependency             // all count; an empty one has no effect
	first                  // the first one counts
)

func keysOf(s string) map[string]bool {
	keys := map[string]bool{}
	for _, key := range strings.Fields(s) {
		keys[key] = true
	}
	return keys
}

// dependencies are the keys, all of [Unit] but one, that an empty assignment does not reset.
const dependencies = `
	After Before BindsTo Conflicts JoinsNamespaceOf OnFailure OnSuccess PartOf PropagatesReloadTo PropagatesStopTo
	ReloadPropagatedFrom Requires RequiresMountsFor Requisite StopPropagatedFrom Upholds Wants WantsMountsFor Sockets`

// lists are the keys that an empty assignment resets, without those of groups.
const lists = `
	Alias Also RequiredBy UpheldBy WantedBy
	Documentation
	ExecCondition ExecReload ExecReloadPost ExecStart ExecStartPost ExecStartPre ExecStop ExecStopPost ExecStopPre
	OpenFile RefreshOnReload RestartForceExitStatus RestartPreventExitStatus SuccessExitStatus
	Symlinks
	AllowedCPUs AllowedMemoryNodes BPFProgram BlockIODeviceWeight BlockIOReadBandwidth BlockIOWriteBandwidth Delegate DeviceAllow
	DisableControllers IODeviceLatencyTargetSec IODeviceWeight IOReadBandwidthMax IOReadIOPSMax IOWriteBandwidthMax IOWriteIOPSMax
	IPAddressAllow IPAddressDeny IPEgressFilterPath IPIngressFilterPath NFTSet RestrictNetworkInterfaces SocketBindAllow
	SocketBindDeny StartupAllowedCPUs StartupAllowedMemoryNodes
	AmbientCapabilities BindPaths BindReadOnlyPaths CPUAffinity CacheDirectory CapabilityBoundingSet ConfigurationDirectory
	Environment EnvironmentFile ExecPaths ExecSearchPath ExtensionDirectories ExtensionImages ImportCredential InaccessiblePaths
	LoadCredential LoadCredentialEncrypted LogExtraFields LogFilterPatterns LogsDirectory MountImages NUMAMask NoExecPaths
	PassEnvironment ReadOnlyPaths ReadWritePaths RestrictAddressFamilies RestrictFileSystems RestrictNamespaces RootImageOptions
	RuntimeDirectory SecureBits SetCredential SetCredentialEncrypted StateDirectory SupplementaryGroups SystemCallArchitectures
	SystemCallFilter SystemCallLog TemporaryFileSystem UnsetEnvironment`

// defaults are the keys of one value for which an empty assignment means the default. It has no
// effect on other keys of one value: those of numbers, times and booleans, and most of words.
// Asked for each with systemd 252 and 257; they disagree on PrivateMounts=, which 252 ignores.
const defaults = `
	DefaultInstance Description FailureActionExitStatus JobTimeoutRebootArgument RebootArgument SourcePath SuccessActionExitStatus
	BindToDevice FileDescriptorName IPTOS Mount.Type Options PIDFile SmackLabel SmackLabelIPIn SmackLabelIPOut SocketGroup SocketUser
	TCPCongestion TimeoutAbortSec USBFunctionDescriptors USBFunctionStrings What Where
	BlockIOWeight CPUQuota CPUQuotaPeriodSec CPUShares CPUWeight DefaultMemoryLow DefaultMemoryMin DefaultStartupMemoryLow
	DelegateSubgroup IOWeight ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec ManagedOOMMemoryPressureLimit
	ManagedOOMSwap MemoryHigh MemoryLimit MemoryLow MemoryMax MemoryMin MemorySwapMax MemoryZSwapMax StartupBlockIOWeight
	StartupCPUShares StartupCPUWeight StartupIOWeight StartupMemoryHigh StartupMemoryLow StartupMemoryMax StartupMemorySwapMax
	StartupMemoryZSwapMax TasksMax
	AppArmorProfile BindLogSockets CPUSchedulingPolicy CoredumpFilter ExtensionImagePolicy Group IOSchedulingClass
	IOSchedulingPriority IPCNamespacePath KillMode LogNamespace MemoryKSM MountAPIVFS MountFlags MountImagePolicy NUMAPolicy
	NetworkNamespacePath Nice OOMScoreAdjust PAMName Personality PrivateMounts RootDirectory RootHash RootHashSignature RootImage
	RootImagePolicy RootVerity SELinuxContext SetLoginEnvironment SmackProcessLabel SyslogIdentifier SystemCallErrorNumber
	TTYColumns TTYPath TTYRows User UtmpIdentifier WorkingDirectory`

// groups are the lists that an empty assignment of any of them resets, by section: the
// name of the group, and its keys.
var groups = map[string]map[string]string{
	"Timer":  {"timers": "OnActiveSec OnBootSec OnCalendar OnStartupSec OnUnitActiveSec OnUnitInactiveSec"},
	"Path":   {"paths": "DirectoryNotEmpty PathChanged PathExists PathExistsGlob PathModified"},
	"Socket": {"ports": "ListenDatagram ListenFIFO ListenMessageQueue ListenNetlink ListenSequentialPacket ListenSpecial ListenStream ListenUSBFunction"},
}

// otherNames are the keys that mean another one.
var otherNames = map[string]string{
	"BindTo": "BindsTo", "PropagateReloadFrom": "ReloadPropagatedFrom", "PropagateReloadTo": "PropagatesReloadTo",
	"RequiresOverridable": "Requires", "RequisiteOverridable": "Requisite", "StartLimitInterval": "StartLimitIntervalSec",
	"InaccessibleDirectories": "InaccessiblePaths", "ReadOnlyDirectories": "ReadOnlyPaths", "ReadWriteDirectories": "ReadWritePaths",
}

// ofUnit are the keys of [Service] that mean those of [Unit].
const ofUnit = "FailureAction RebootArgument StartLimitAction StartLimitBurst StartLimitInterval"

// words are the tables above, for looking up.
type words struct {
	dependencies, lists, defaults, ofUnit map[string]bool
	groups                                map[string]string // "Timer.OnCalendar" -> "Timer timers"
}

func newWords() words {
	w := words{keysOf(dependencies), keysOf(lists), keysOf(defaults), keysOf(ofUnit), map[string]string{}}
	for section, of := range groups {
		for name, keys := range of {
			for key := range keysOf(keys) {
				w.groups[section+"."+key] = section + " " + name
			}
		}
	}
	return w
}

// of returns how an assignment goes together with others, and the name of the group of
// those; equal names mean the same list or scalar.
func (w words) of(a unitfile.Assignment) (group string, k kind) {
	section, key := a.Section, a.Key
	if strings.HasPrefix(section, "X-") || strings.HasPrefix(key, "X-") { // of other programs
		return section + "." + key, list
	}
	if section == "Service" && w.ofUnit[key] {
		section = "Unit"
	}
	if to := otherNames[key]; to != "" {
		key = to
	}
	id := section + "." + key
	switch {
	case w.groups[id] != "":
		return w.groups[id], list
	case section == "Unit" && strings.HasPrefix(key, "Condition"):
		return "Unit conditions", list
	case section == "Unit" && strings.HasPrefix(key, "Assert"):
		return "Unit assertions", list
	case strings.HasPrefix(key, "StandardInput") && key != "StandardInput": // Text and Data fill one buffer
		return section + " input", list
	case key == "Unit" && (section == "Timer" || section == "Path"):
		return id, first
	case w.dependencies[key]:
		return id, dependency
	case w.lists[key]:
		return id, list
	}
	return id, scalar
}

// hasEffect reports whether an assignment to a key of one value has an effect.
func (w words) hasEffect(a unitfile.Assignment) bool {
	return a.Value != "" || w.defaults[a.Key] || w.defaults[a.Section+"."+a.Key]
}

// isWhole reports whether a value of a list replaces what was assigned before, as a boolean
// does where one can be given instead of words.
func isWhole(a unitfile.Assignment) bool {
	_, isBool := unitfile.ParseBool(a.Value)
	return isBool && (a.Key == "Delegate" || a.Key == "RestrictNamespaces")
}

// isSectionOf reports whether systemd reads a section of a unit.
func isSectionOf(unit, section string) bool {
	_, kind := unitfile.Split(unit)
	isOwn := kind != "" && section == strings.ToUpper(kind[:1])+kind[1:] && kind != "target" && kind != "device"
	return section == "Unit" || section == "Install" || isOwn || strings.HasPrefix(section, "X-")
}
