package facts

// Who manages a unit.
const (
	ByHomeManager = "home-manager"
	ByConfig      = "config"
)

// Roles of a file.
const (
	RoleFragment     = "fragment"
	RoleDropIn       = "dropin"
	RoleSource       = "source"
	RoleSourceDropIn = "source-dropin"
)

// Roles of the links in a unit's own .wants, .requires and .upholds folders.
const (
	RoleOwnWants    = "own-wants"
	RoleOwnRequires = "own-requires"
	RoleOwnUpholds  = "own-upholds"
)

// Roles of a file that the manager reads besides unit files.
const (
	RoleEnvironment          = "environment"
	RoleEnvironmentGenerator = "environment-generator"
	RoleGenerator            = "generator"
	RoleConfiguration        = "configuration"
	RoleActing               = "acting" // of a unit file: a reload starts or stops units by it
)

// Where a file comes from that the manager reads besides unit files. The
// distribution's is [OriginDistribution].
const (
	OriginAdministrator = "administrator"
	OriginDeclared      = "declared"
	OriginOwn           = "own"
	OriginUnsafe        = "unsafe"
	OriginUndeclared    = "undeclared"
)

// Kinds of folders that unit files come from.
const (
	OriginUser         = "user"
	OriginControl      = "control"
	OriginRuntime      = "runtime"
	OriginGenerator    = "generator"
	OriginEtc          = "etc"
	OriginDistribution = "distribution"
	OriginOther        = "other"
)

// How a file compares to its declaration. See the schema of File.State.
const (
	StateDeclared   = "declared"
	StateIdentical  = "identical"
	StateDifferent  = "different"
	StateOther      = "other-generation"
	StatePending    = "pending"
	StateMissing    = "missing"
	StateDangling   = "dangling"
	StateForeign    = "foreign-link"
	StateMask       = "mask"
	StateDirectory  = "directory"
	StateUnsafe     = "unsafe"
	StateUnreadable = "unreadable"
	StateUndeclared = "undeclared"
	StateGenerated  = "generated"
)

// Where the services of a stack come from. See the schema of Unit.ServicesFrom.
const (
	ServicesFromRecord       = "record"
	ServicesFromFiles        = "files"
	ServicesFromChangedFiles = "changed-files"
)

// Whether a stack's last apply is recorded. See the schema of Applied.State.
const (
	AppliedRecorded   = "recorded"
	AppliedNone       = "none"
	AppliedUnreadable = "unreadable"
)
