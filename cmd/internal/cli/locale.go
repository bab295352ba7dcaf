package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Localized returns f for texts for people: in ASCII if the locale has another encoding than
// UTF-8, as C has. Without a locale, as in a unit, UTF-8 is right: systemd's own programs do
// the same.
func Localized(f *os.File) io.Writer {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	_, encoding, _ := strings.Cut(strings.ToUpper(locale), ".")
	encoding, _, _ = strings.Cut(strings.ReplaceAll(encoding, "-", ""), "@")
	if locale == "" || encoding == "UTF8" {
		return f
	}
	return &ascii{file: f}
}

// Raw returns the writer below one of Localized, for what is no text for people.
func Raw(w io.Writer) io.Writer {
	if a, ok := w.(*ascii); ok {
		return a.file
	}
	return w
}

// ascii writes UTF-8 as ASCII.
type ascii struct {
	file *os.File
	rest []byte // the begin of a rune of which the end was not written yet
}

// similar has ASCII for what this program's own texts have beyond it.
var similar = map[rune]string{'…': "...", '·': "-", '→': "->", '–': "-", '█': "#", '▄': "=", '▁': "_", 'µ': "u", 'μ': "u"}

// Write replaces each rune by a similar text, or else by its number.
func (a *ascii) Write(p []byte) (int, error) {
	var b strings.Builder
	text := append(a.rest, p...)
	for len(text) > 0 && utf8.FullRune(text) {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case similar[r] != "":
			b.WriteString(similar[r])
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	a.rest = append([]byte(nil), text...)
	if _, err := a.file.WriteString(b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
