package collect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"stackpolicy/facts"
)

// The rows of the collectors and the table of sections agree: decisions use the table,
// documents the rows.
func TestCollectorsFillTheSections(t *testing.T) {
	fills, rows := map[string]string{}, map[string]collector{}
	for _, c := range collectors() {
		rows[c.name] = c
		for _, section := range c.fills {
			if other := fills[section]; other != "" {
				t.Errorf("%s is filled by %s and by %s", section, other, c.name)
			}
			fills[section] = c.name
		}
	}
	for _, s := range facts.Sections() {
		if got := fills[s.Name]; got != s.Collectors[0] {
			t.Errorf("%s is filled by %q; its section names %s first", s.Name, got, s.Collectors[0])
		}
		for _, needed := range s.Collectors[1:] {
			if !slices.Contains(rows[s.Collectors[0]].needs, needed) {
				t.Errorf("%s says that it depends on %s, which %s does not need", s.Name, needed, s.Collectors[0])
			}
		}
		delete(fills, s.Name)
	}
	for section, by := range maps.All(fills) {
		t.Errorf("%s fills %s, which is not in the table of sections", by, section)
	}
}

func TestCollectorsNeedEarlierOnes(t *testing.T) {
	earlier := []string{"index"} // a part of the survey of the manager
	for _, c := range collectors() {
		for _, n := range c.needs {
			if !slices.Contains(earlier, n) {
				t.Errorf("%s needs %s, which runs after it", c.name, n)
			}
		}
		earlier = append(earlier, c.name)
	}
}

// A collector does not run without what it needs, and says so.
func TestCollectorWithoutWhatItNeeds(t *testing.T) {
	for _, c := range collectors() {
		for _, needed := range c.needs {
			r := newRun(t.Context(), testEnvironment(t))
			r.failed[needed] = errors.New("denied")
			c.collect = func(context.Context, *run) (func(), error) {
				t.Errorf("%s ran without %s", c.name, needed)
				return func() {}, nil
			}
			r.do(t.Context(), c)
			status := r.doc.Collectors[c.name]
			if status.OK || !strings.Contains(status.Error, needed) || !strings.Contains(status.Error, "denied") {
				t.Errorf("%s without %s: %+v", c.name, needed, status)
			}
		}
	}
}
