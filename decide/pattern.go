package decide

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"stackpolicy/internal/lazyregexp"
)

// matchesAny reports whether a name matches one of the glob patterns. They
// match as systemctl's do, where a backslash is a plain character.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := filepath.Match(plainBackslash(pattern), name)
		return err == nil && ok
	})
}

func plainBackslash(pattern string) string { return strings.ReplaceAll(pattern, `\`, `\\`) }

// patternText is what unit names are made of (systemd.unit(5)) and glob's own
// characters. Neither negated classes nor alternatives are among them: Go,
// OPA and systemctl write them in different ways.
var patternText = lazyregexp.New(`^[A-Za-z0-9:_.@\\*?\[\]-]{1,255}$`)

func soundPattern(pattern string) bool {
	_, err := filepath.Match(plainBackslash(pattern), "")
	return err == nil && patternText.Get().MatchString(pattern)
}

// checkPatterns refuses what could match no unit as it is meant to.
func (doc *settingsDoc) checkPatterns(path string, patterns []string, refusal *Refusal) {
	for i, pattern := range patterns {
		if !soundPattern(pattern) {
			doc.problem(refusal, path+"."+strconv.Itoa(i), "%q is no pattern; want a unit's name, with *, ? or [abc] in it", pattern)
		}
	}
}
