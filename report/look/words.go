package look

import (
	"strings"

	"stackpolicy/internal/text"
)

// The longest that a text from outside may be, in runes.
const (
	MaxName     = 200
	MaxSentence = 400
)

// Name makes a name or path from outside harmless, and not too long.
func Name(s string) string { return text.Clip(text.Clean(text.Clip(s, MaxName)), MaxName) }

// Sentence makes words from outside harmless, and joins lines by semicolons.
func Sentence(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(text.Clip(s, MaxSentence)), "\n", "; ")
	return text.Clip(text.Clean(s), MaxSentence)
}
