package unitfile

import (
	"strconv"
	"strings"
	"time"
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
		case c == ' ' || c == '\t' || c == '\n':
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

// Command is one Exec line.
type Command struct {
	Argv          []string
	IgnoreFailure bool
}

// ParseCommand reads an Exec line (systemd.service(5), "Command lines"); false
// for what is not understood here: escapes, several commands in one line,
// prefixes that change the command itself.
func ParseCommand(v string, spec Specifiers) (Command, bool) {
	rest := strings.TrimLeft(v, "-:+!")
	c := Command{IgnoreFailure: strings.Contains(v[:len(v)-len(rest)], "-")}
	if strings.HasPrefix(rest, "@") || strings.HasPrefix(rest, "|") {
		return c, false
	}
	words, ok := Words(rest)
	if !ok || len(words) == 0 {
		return c, false
	}
	for _, w := range words {
		expanded, ok := spec.Expand(w)
		if !ok || w == ";" {
			return c, false
		}
		c.Argv = append(c.Argv, expanded)
	}
	return c, true
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

// spanUnits are the units of systemd.time(7).
var spanUnits = map[string]time.Duration{
	"usec": time.Microsecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"msec": time.Millisecond, "ms": time.Millisecond,
	"seconds": time.Second, "second": time.Second, "sec": time.Second, "s": time.Second, "": time.Second,
	"minutes": time.Minute, "minute": time.Minute, "min": time.Minute, "m": time.Minute,
	"hours": time.Hour, "hour": time.Hour, "hr": time.Hour, "h": time.Hour,
	"days": 24 * time.Hour, "day": 24 * time.Hour, "d": 24 * time.Hour,
	"weeks": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// ParseSpan reads a time span such as "1min 30s" or "90"; infinity is -1.
// False for what is not understood.
func ParseSpan(v string) (time.Duration, bool) {
	if v == "infinity" {
		return -1, true
	}
	var total time.Duration
	rest := strings.TrimSpace(v)
	for rest != "" {
		number := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		n, err := strconv.ParseFloat(rest[:number], 64)
		if err != nil {
			return 0, false
		}
		rest = strings.TrimLeft(rest[number:], " ")
		end := strings.IndexAny(rest, " 0123456789.")
		if end < 0 {
			end = len(rest)
		}
		unit, known := spanUnits[rest[:end]]
		if !known {
			return 0, false
		}
		total += time.Duration(n * float64(unit))
		rest = strings.TrimLeft(rest[end:], " ")
	}
	return total, v != ""
}
