package unitfile

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/internal/lazyregexp"
)

// Specifiers are the values of the %-specifiers that are known, by letter
// (systemd.unit(5)). "%%" is always known.
type Specifiers map[byte]string

// Expand replaces specifiers; false when one is not known, and the value then
// not understood.
func (s Specifiers) Expand(v string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] != '%' {
			b.WriteByte(v[i])
			continue
		}
		i++
		if i == len(v) {
			return "", false
		}
		if v[i] == '%' {
			b.WriteByte('%')
			continue
		}
		to, ok := s[v[i]]
		if !ok {
			return "", false
		}
		b.WriteString(to)
	}
	return b.String(), true
}

// Pattern replaces specifiers as Expand does, and those that are not known by *.
// What it returns is a pattern of all values that v may have.
func (s Specifiers) Pattern(v string) string {
	var b strings.Builder
	for rest := v; rest != ""; {
		text, after, found := strings.Cut(rest, "%")
		b.WriteString(text)
		if !found {
			break
		}
		if after == "" {
			b.WriteByte('*')
			break
		}
		known, ok := s.Expand("%" + after[:1])
		if !ok {
			known = "*"
		}
		b.WriteString(known)
		rest = after[1:]
	}
	return b.String()
}

// Words splits a value as systemd does, with single and double quotes; false
// when it holds escapes or open quotes, which are not understood here.
func Words(v string) ([]string, bool) {
	if strings.ContainsRune(v, '\\') {
		return nil, false
	}
	var words []string
	word, quote, open := strings.Builder{}, byte(0), false
	for i := range len(v) {
		c := v[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case strings.IndexByte(whitespace, c) >= 0:
			if open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words, quote == 0
}

// expandWords is Words with specifiers expanded in each.
func expandWords(v string, spec Specifiers) ([]string, bool) {
	words, ok := Words(v)
	for i := range words {
		var known bool
		words[i], known = spec.Expand(words[i])
		ok = ok && known
	}
	return words, ok
}

// ParseDocumentation reads a Documentation line: its URIs, without those that
// systemd drops as invalid. False for what is not understood.
func ParseDocumentation(v string, spec Specifiers) ([]string, bool) {
	words, ok := expandWords(v, spec)
	return slices.DeleteFunc(words, func(w string) bool { return !validURI(w) }), ok
}

// validURI is documentation_url_is_valid in systemd.
func validURI(uri string) bool {
	ascii := strings.IndexFunc(uri, func(r rune) bool { return r >= 0x80 }) < 0
	for _, scheme := range []string{"http://", "https://", "file:/", "info:", "man:"} {
		if rest, ok := strings.CutPrefix(uri, scheme); ok {
			return ascii && rest != ""
		}
	}
	return false
}

// ParseEnvironment reads an Environment line: its assignments, without those
// that systemd drops as invalid. False for what is not understood.
func ParseEnvironment(v string, spec Specifiers) ([]string, bool) {
	words, ok := expandWords(v, spec)
	return slices.DeleteFunc(words, func(w string) bool { return !validAssignment(w) }), ok
}

// variableName is what systemd takes for the name of a variable.
var variableName = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// validAssignment is env_assignment_is_valid in systemd.
func validAssignment(w string) bool {
	name, value, ok := strings.Cut(w, "=")
	return ok && variableName.Get().MatchString(name) && strings.IndexFunc(value, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' || r == 0x7f
	}) < 0
}

// Command is one Exec line.
type Command struct {
	Argv          []string
	IgnoreFailure bool
}

// ParseCommand reads an Exec line (systemd.service(5), "Command lines"); false
// for what is not understood here: escapes, several commands in one line,
// prefixes that change the command itself, and a program that systemd refuses.
func ParseCommand(v string, spec Specifiers) (Command, bool) {
	words, ok := Words(v)
	if !ok || len(words) == 0 || slices.Contains(words, ";") {
		return Command{}, false
	}
	program, prefix, ok := cutPrefix(words[0])
	if !ok {
		return Command{}, false
	}
	words[0] = program
	for i := range words {
		if words[i], ok = spec.Expand(words[i]); !ok {
			return Command{}, false
		}
	}
	return Command{words, strings.Contains(prefix, "-")}, validProgram(words[0])
}

// cutPrefix parts the special prefixes off the first word, which count inside
// of quotes too; false for a combination that is not understood.
func cutPrefix(word string) (program, prefix string, ok bool) {
	program = strings.TrimLeft(word, "-:+!@|")
	prefix = word[:len(word)-len(program)]
	count := func(c string) int { return strings.Count(prefix, c) }
	privileges := count("+") + count("!")
	ok = count("-") < 2 && count(":") < 2 && count("@")+count("|") == 0 &&
		(privileges < 2 || privileges == 2 && count("!") == 2)
	return program, prefix, ok
}

// validProgram: systemd takes a plain file name or an absolute path of a file,
// without quotes, backslashes and control characters.
func validProgram(path string) bool {
	if path == "" || len(path) > 4095 || strings.HasSuffix(path, "/") || strings.ContainsAny(path, "\"'\\") ||
		strings.IndexFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return false
	}
	long := slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return len(part) > 255 })
	plain := !strings.Contains(path, "/") && path != "." && path != ".."
	return !long && (plain || path[0] == '/')
}

// ParseBool reads a boolean (systemd.syntax(7)).
func ParseBool(v string) (value, ok bool) {
	switch strings.ToLower(v) {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	}
	return false, false
}

// spanUnits are the units of systemd.time(7) up to a week, in microseconds.
var spanUnits = map[string]int64{
	"usec": 1, "us": 1, "µs": 1, "μs": 1,
	"msec": 1000, "ms": 1000,
	"seconds": 1e6, "second": 1e6, "sec": 1e6, "s": 1e6, "": 1e6,
	"minutes": 60e6, "minute": 60e6, "min": 60e6, "m": 60e6,
	"hours": 3600e6, "hour": 3600e6, "hr": 3600e6, "h": 3600e6,
	"days": 86400e6, "day": 86400e6, "d": 86400e6,
	"weeks": 604800e6, "week": 604800e6, "w": 604800e6,
}

// maxSpan bounds what is understood, in microseconds: a hundred years.
const maxSpan = 100 * 365 * 86400e6

// ParseSpan reads a time span such as "1min 30s" or "90", to the microsecond;
// infinity is -1. False for what is not understood.
func ParseSpan(v string) (time.Duration, bool) {
	if v == "infinity" {
		return -1, true
	}
	var total int64
	rest := strings.Trim(v, whitespace)
	ok := rest != ""
	for ok && rest != "" {
		var part int64
		part, rest, ok = cutSpan(rest)
		total += part
		ok = ok && total <= maxSpan
	}
	return time.Duration(total) * time.Microsecond, ok
}

// cutSpan parts the first number with its unit off, in microseconds.
func cutSpan(v string) (part int64, rest string, ok bool) {
	number := v[:len(v)-len(strings.TrimLeft(v, "0123456789."))]
	rest = strings.TrimLeft(v[len(number):], whitespace)
	name := rest
	if end := strings.IndexAny(rest, whitespace+"0123456789."); end >= 0 {
		name = rest[:end]
	}
	unit, known := spanUnits[name]
	whole, fraction, dot := strings.Cut(number, ".")
	n, err := strconv.ParseInt(or(whole, "0"), 10, 64)
	if !known || err != nil || number == "" || dot && fraction == "" || strings.Contains(fraction, ".") || n > maxSpan/unit {
		return 0, "", false
	}
	part = n * unit
	for _, digit := range fraction {
		unit /= 10
		part += int64(digit-'0') * unit
	}
	return part, strings.TrimLeft(rest[len(name):], whitespace), true
}

func or(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}
