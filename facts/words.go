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

// Whether a stack's last apply is recorded. See the schema of Applied.State.
const (
	AppliedRecorded   = "recorded"
	AppliedNone       = "none"
	AppliedUnreadable = "unreadable"
)
