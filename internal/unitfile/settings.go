package unitfile

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

// Settings are the assignments of a unit's files, in the order systemd reads
// them. A later file's assignments follow an earlier one's.
type Settings struct {
	values map[string][]string // "Section.Key" -> values since the last reset
	reset  map[string]bool     // assigned empty, with nothing after
}

// Read takes the settings of the given files together: the fragment first,
// then the drop-ins in their order.
func Read(paths []string) (Settings, error) {
	s := Settings{values: map[string][]string{}, reset: map[string]bool{}}
	for _, p := range paths {
		content, err := readBounded(p)
		if err != nil {
			return s, fmt.Errorf("read unit file: %w", err)
		}
		if err := s.parse(content); err != nil {
			return s, fmt.Errorf("read unit file %q: %w", p, err)
		}
	}
	return s, nil
}

// parse follows systemd.syntax(7): a line ending in a backslash goes on in the
// next, comment lines in between are dropped, an empty assignment resets.
func (s *Settings) parse(content []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff"))))
	lines.Buffer(nil, 1<<20+1) // LONG_LINE_MAX in systemd
	section, pending := "", ""
	for lines.Scan() {
		line := strings.TrimLeft(lines.Text(), " \t\r")
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		line = pending + strings.TrimRight(line, " \t\r")
		if rest, ok := strings.CutSuffix(line, `\`); ok {
			pending = rest + " "
			continue
		}
		pending = ""
		section = s.line(section, line)
	}
	s.line(section, strings.TrimSpace(pending))
	return lines.Err()
}

func (s *Settings) line(section, line string) string {
	if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
		return line[1 : len(line)-1]
	}
	key, value, ok := strings.Cut(line, "=")
	if !ok {
		return section // systemd warns and goes on
	}
	id := section + "." + strings.TrimSpace(key)
	value = strings.TrimSpace(value)
	s.reset[id] = value == ""
	if value == "" {
		s.values[id] = nil
		return section
	}
	s.values[id] = append(s.values[id], value)
	return section
}

// List gives the values of a list setting since its last reset; nil when none.
// key is "Section.Key", as in "Service.ExecStart".
func (s Settings) List(key string) []string { return s.values[key] }

// Last gives the value of a scalar setting, and whether it is set at all.
func (s Settings) Last(key string) (string, bool) {
	v := s.values[key]
	if len(v) == 0 {
		return "", s.reset[key]
	}
	return v[len(v)-1], true
}
