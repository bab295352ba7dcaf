package unitfile

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"stackpolicy/internal/regularfile"
)

// whitespace and maxLine are systemd's WHITESPACE and LONG_LINE_MAX.
const (
	whitespace = " \t\n\r"
	maxLine    = 1 << 20
)

// Settings are the assignments of a unit's files, in the order systemd reads
// them. A later file's assignments follow an earlier one's.
type Settings struct {
	values map[string][]string // "Section.Key" -> values, without the empty ones
	reset  map[string]int      // "Section.Key" -> how many of them came before the last empty one
}

// Assignment is one "Key=Value" of a unit file.
type Assignment struct {
	Section, Key, Value string // Value is "" for an empty assignment; specifiers are not expanded
	Line                int    // where it begins; the first line is 1
}

// Read takes the settings of the given files together: the fragment first,
// then the drop-ins in their order.
func Read(paths []string) (Settings, error) {
	s := Settings{values: map[string][]string{}, reset: map[string]int{}}
	for _, p := range paths {
		content, err := regularfile.Read(p, maxSize)
		if err != nil {
			return s, fmt.Errorf("read unit file %q: %w", p, err)
		}
		scan(content, s.add)
	}
	return s, nil
}

// Assignments returns the assignments of one file, in their order. stopped is the line at
// which systemd stops reading the file because of an error in it; 0 if it reads all of it.
func Assignments(path string) (list []Assignment, stopped int, err error) {
	content, err := regularfile.Read(path, maxSize)
	if err != nil {
		return nil, 0, fmt.Errorf("read unit file %q: %w", path, err)
	}
	stopped = scan(content, func(a Assignment) { list = append(list, a) })
	return list, stopped, nil
}

// scan follows systemd.syntax(7): a line ending in a backslash goes on in the
// next, comment lines in between are dropped. What systemd takes for an error in a
// file (a section without its bracket, text that is not UTF-8, a line too long) ends
// its reading of that file, and ours: then scan returns the line of the error.
func scan(content []byte, add func(Assignment)) (stopped int) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	section, pending, begun := "", strings.Builder{}, 0
	for at := 1; len(content) > 0; at++ {
		var line string
		line, content = cutLine(content)
		if first := strings.TrimLeft(line, whitespace); first != "" && strings.IndexByte("#;", first[0]) >= 0 {
			continue
		}
		if len(line) >= maxLine || pending.Len()+len(line) > maxLine {
			return at
		}
		if pending.Len() == 0 {
			begun = at
		}
		if goesOn(line) {
			pending.WriteString(line[:len(line)-1] + " ")
			continue
		}
		var ok bool
		if section, ok = scanLine(section, pending.String()+line, begun, add); !ok {
			return begun
		}
		pending.Reset()
	}
	if _, ok := scanLine(section, pending.String(), begun, add); !ok {
		return begun
	}
	return 0
}

// cutLine parts the first line off. A line ends with NUL, or with LF and CR,
// once each and in either order (read_line in systemd).
func cutLine(content []byte) (string, []byte) {
	end := bytes.IndexAny(content, "\n\r\x00")
	if end < 0 {
		return string(content), nil
	}
	next, seen := end, ""
	for next < len(content) && strings.IndexByte("\n\r\x00", content[next]) >= 0 &&
		strings.IndexByte(seen, content[next]) < 0 && !strings.HasSuffix(seen, "\x00") {
		seen += string(content[next : next+1])
		next++
	}
	return string(content[:end]), content[next:]
}

// goesOn: a backslash that is not itself escaped ends the line.
func goesOn(line string) bool {
	backslashes := len(line) - len(strings.TrimRight(line, `\`))
	return backslashes%2 == 1
}

// scanLine takes one assignment or section header; false when systemd would stop
// reading at it.
func scanLine(section, line string, at int, add func(Assignment)) (string, bool) {
	line = strings.Trim(line, whitespace)
	if !utf8.ValidString(line) {
		return section, false
	}
	if strings.HasPrefix(line, "[") {
		name, ok := strings.CutSuffix(line[1:], "]")
		return name, ok
	}
	if key, value, ok := strings.Cut(line, "="); ok { // else systemd warns and goes on
		add(Assignment{section, strings.Trim(key, whitespace), strings.Trim(value, whitespace), at})
	}
	return section, true
}

func (s *Settings) add(a Assignment) {
	id := a.Section + "." + a.Key
	if a.Value == "" {
		s.reset[id] = len(s.values[id])
		return
	}
	s.values[id] = append(s.values[id], a.Value)
}

// List returns the values of a list setting since its last reset; nil when there
// are none. key is "Section.Key", as in "Service.ExecStart".
func (s Settings) List(key string) []string { return s.values[key][s.reset[key]:] }

// All returns every value of a setting that an empty assignment does not reset,
// such as Wants=.
func (s Settings) All(key string) []string { return s.values[key] }

// Last returns the value of a scalar setting, and whether it is set at all. An
// empty value with true is an empty assignment. systemd ignores that for most
// scalars and takes the default for some, so it says nothing for certain.
func (s Settings) Last(key string) (string, bool) {
	v := s.List(key)
	if len(v) == 0 {
		_, assigned := s.reset[key]
		return "", assigned
	}
	return v[len(v)-1], true
}
