package blame

import (
	"cmp"
	"slices"
	"strings"

	"stackpolicy/internal/unitfile"
)

// merger puts assignments together as systemd does.
type merger struct {
	unit     string
	words    words
	groups   map[string][]*row // the rows that count, in the order of their files
	variable map[string]*row   // of Environment=: the line that assigns only this variable
	places   map[string]int    // section, and section with key -> how many there were before it
	ignored  []Ignored
}

// row is a setting. isGone means that a later one replaced it.
type row struct {
	Setting
	isGone bool
}

func newMerger(unit string) *merger {
	return &merger{
		unit: unit, words: newWords(), groups: map[string][]*row{}, variable: map[string]*row{}, places: map[string]int{}, ignored: []Ignored{},
	}
}

func (m *merger) ignore(path string, line int, reason string) {
	m.ignored = append(m.ignored, Ignored{path, line, reason})
}

func (m *merger) file(path string, assignments []unitfile.Assignment) {
	for _, a := range assignments {
		switch {
		case a.Section == "":
			m.ignore(path, a.Line, "systemd ignores it: it is in no section")
		case !isSectionOf(m.unit, a.Section):
			m.ignore(path, a.Line, "systemd ignores it: this unit has no section ["+a.Section+"]")
		default:
			m.take(path, a)
		}
	}
}

// take adds one assignment.
func (m *merger) take(path string, a unitfile.Assignment) {
	for _, place := range []string{a.Section, a.Section + "." + a.Key} {
		if _, ok := m.places[place]; !ok {
			m.places[place] = len(m.places)
		}
	}
	group, kind := m.words.of(a)
	r := &row{Setting: Setting{Section: a.Section, Key: a.Key, Value: a.Value, File: path, Line: a.Line, Overrides: []Override{}}}
	switch {
	case kind == scalar && !m.words.hasEffect(a):
		m.ignore(path, a.Line, "systemd ignores "+a.Key+"= without a value")
	case kind == dependency && a.Value == "":
		m.ignore(path, a.Line, "systemd ignores "+a.Key+"= without a value: dependencies cannot be reset")
	case kind == first && a.Value == "", kind == first && len(m.groups[group]) > 0:
		m.ignore(path, a.Line, "systemd ignores it: only the first "+a.Key+"= with a value counts")
	case kind == dependency, kind == list && a.Value != "" && !isWhole(a):
		m.override(r, m.sameVariables(r))
		m.groups[group] = append(m.groups[group], r)
	default:
		m.override(r, m.groups[group])
		m.groups[group] = []*row{r}
		if kind == list && a.Value == "" && len(r.Overrides) == 0 && a.Key != "Delegate" { // there was nothing to reset
			m.groups[group] = nil
		}
		m.both(r)
	}
}

// override lets r replace others.
func (m *merger) override(r *row, replaced []*row) {
	for _, old := range replaced {
		if old.isGone {
			continue
		}
		old.isGone = true
		before := old.Overrides
		if old.Key != r.Key {
			for i := range before {
				before[i].Key = cmp.Or(before[i].Key, old.Key)
			}
		}
		if len(r.Overrides) == 0 { // a setting that is repeated very often hands its list on
			r.Overrides = before
		} else {
			r.Overrides = append(r.Overrides, before...)
		}
		_, kind := m.words.of(unitfile.Assignment{Section: old.Section, Key: old.Key})
		if old.Value == "" && kind != scalar {
			continue
		}
		o := Override{Value: old.Value, File: old.File, Line: old.Line}
		if old.Key != r.Key {
			o.Key = old.Key
		}
		r.Overrides = append(r.Overrides, o)
	}
}

// both lets TimeoutSec= of a service replace the two settings that it stands for.
func (m *merger) both(r *row) {
	if r.Section != "Service" || r.Key != "TimeoutSec" {
		return
	}
	for _, group := range []string{"Service.TimeoutStartSec", "Service.TimeoutStopSec"} {
		m.override(r, m.groups[group])
	}
}

// sameVariables returns the lines of Environment= whose only variable a new line assigns
// again.
func (m *merger) sameVariables(r *row) (same []*row) {
	if r.Key != "Environment" {
		return nil
	}
	assigned, ok := unitfile.Words(r.Value)
	if !ok {
		return nil
	}
	for _, word := range assigned {
		name, _, _ := strings.Cut(word, "=")
		if old := m.variable[name]; old != nil {
			same = append(same, old)
			delete(m.variable, name)
		}
	}
	if len(assigned) == 1 {
		name, _, _ := strings.Cut(assigned[0], "=")
		m.variable[name] = r
	}
	return same
}

// settings returns what counts: the sections and keys in the order in which they were first
// seen, and of one key the lines in the order of the files.
func (m *merger) settings() []Setting {
	all := []Setting{}
	for _, rows := range m.groups {
		for _, r := range rows {
			if !r.isGone {
				all = append(all, r.Setting)
			}
		}
	}
	place := func(s Setting) (int, int) { return m.places[s.Section], m.places[s.Section+"."+s.Key] }
	slices.SortStableFunc(all, func(a, b Setting) int {
		aSection, aKey := place(a)
		bSection, bKey := place(b)
		if aSection != bSection {
			return aSection - bSection
		}
		return aKey - bKey
	})
	return all
}
