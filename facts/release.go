package facts

import "time"

// Release is how the releases of rules are that the account takes from its fleet. What the
// clock alone changes is not in it: a rule compares Expires with the time of the document.
type Release struct {
	Channel string          `json:"channel" jsonschema:"the channel that the configuration names"`
	Version int64           `json:"version" jsonschema:"the release whose rules decide; 0: the rules come from no release"`
	Newest  int64           `json:"newest" jsonschema:"the newest release that was verified; 0: none yet"`
	Stage   string          `json:"stage" jsonschema:"of the newest: shadow (it decides beside the rules in use), active, back (it is not used here), or empty"`
	Expires *time.Time      `json:"expires,omitempty" jsonschema:"when hosts begin to use the newest no more; absent without one"`
	Problem *ReleaseProblem `json:"problem,omitempty" jsonschema:"why the account is not on the newest release, or does not know it; absent: nothing is wrong"`
}

// ReleaseProblem is what is wrong with the releases of an account.
type ReleaseProblem struct {
	Kind  string    `json:"kind" jsonschema:"unreachable (nobody answered), refused (what was offered cannot be trusted), expired (nothing newer was offered), back (the newest failed here) or damaged (the one on the disk was edited)"`
	Text  string    `json:"text" jsonschema:"what is wrong, in one line"`
	Since time.Time `json:"since" jsonschema:"when it was first seen"`
}

// Kinds of problems of releases.
const (
	ReleaseUnreachable = "unreachable"
	ReleaseRefused     = "refused"
	ReleaseExpired     = "expired"
	ReleaseBack        = "back"
	ReleaseDamaged     = "damaged"
)
