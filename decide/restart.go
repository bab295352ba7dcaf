package decide

import (
	"path/filepath"
	"slices"
	"strings"
)

// MayRestart reports whether the operator opted a unit in to being restarted.
// Patterns match as systemctl's do, where a backslash is a plain character.
func (s Settings) MayRestart(unit string) bool {
	return slices.ContainsFunc(s.Restart, func(pattern string) bool {
		ok, err := filepath.Match(strings.ReplaceAll(pattern, `\`, `\\`), unit)
		return err == nil && ok
	})
}
