package policy

import (
	"strconv"

	"stackpolicy/internal/glob"
	"stackpolicy/internal/lazyregexp"
)

// patternText matches the characters of unit names (systemd.unit(5)) and of globs, without
// negated classes: OPA writes them differently.
var patternText = lazyregexp.New(`^[A-Za-z0-9:_.@\\*?\[\]-]{1,255}$`)

func soundPattern(pattern string) bool {
	return glob.Valid(pattern) && patternText.Get().MatchString(pattern)
}

// checkPatterns refuses patterns that cannot match a unit as intended.
func (doc *settingsDoc) checkPatterns(path string, patterns []string, refusal *Refusal) {
	for i, pattern := range patterns {
		if !soundPattern(pattern) {
			doc.problem(refusal, path+"."+strconv.Itoa(i), "%q is not a pattern; want a unit's name, with *, ? or [abc] in it", pattern)
		}
	}
}
