package collect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

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
	var earlier []string
	for _, c := range collectors() {
		for _, n := range c.needs {
			if !slices.Contains(earlier, n) {
				t.Errorf("%s needs %s, which runs after it", c.name, n)
			}
		}
		earlier = append(earlier, c.name)
	}
}

// Every row is run, if rules read what AddOptional adds.
func TestEveryCollectorRuns(t *testing.T) {
	doc := collect(t.Context(), testEnvironment(t), (&fakeManager{}).survey)
	env := testEnvironment(t)
	env.Releases = func() (*facts.Release, error) { return &facts.Release{Channel: "stable"}, nil }
	AddOptional(t.Context(), env, doc, all)
	if doc.Release == nil || doc.Release.Channel != "stable" {
		t.Errorf("releases: %+v", doc.Release)
	}
	var rows []string
	for _, c := range collectors() {
		rows = append(rows, c.name)
	}
	slices.Sort(rows)
	if ran := slices.Sorted(maps.Keys(doc.Collectors)); !slices.Equal(ran, rows) {
		t.Errorf("%q ran, the rows are %q", ran, rows)
	}
}

// A collector does not run without what it needs, and says so.
func TestCollectorWithoutWhatItNeeds(t *testing.T) {
	for _, c := range collectors() {
		for _, needed := range c.needs {
			r := newRun(testEnvironment(t), newDocument(noon))
			r.failed[needed] = errors.New("denied")
			step(t.Context(), r, c, func(context.Context) (account, error) {
				t.Errorf("%s ran without %s", c.name, needed)
				return account{}, nil
			})
			status := r.doc.Collectors[c.name]
			if status.OK || !strings.Contains(status.Error, needed) || !strings.Contains(status.Error, "denied") || r.doc.Host != nil {
				t.Errorf("%s without %s: %+v", c.name, needed, status)
			}
		}
	}
}

// A collector that does not end is abandoned. What it finds later changes nothing, and what
// it found before an error is not used.
func TestCollectorThatFails(t *testing.T) {
	late, done := make(chan bool), make(chan bool)
	for name, c := range map[string]struct {
		collect func(context.Context) (account, error)
		says    string
	}{
		"in time": {func(context.Context) (account, error) { return account{}, nil }, ""},
		"too late": {func(context.Context) (account, error) {
			defer close(done)
			<-late
			return account{}, nil
		}, "no answer within 50ms"},
		"with an error": {func(context.Context) (account, error) { return account{}, errors.New("denied") }, "denied"},
	} {
		r := newRun(testEnvironment(t), newDocument(noon))
		step(t.Context(), r, collector{name: "user", limit: 50 * time.Millisecond}, c.collect)
		if name == "too late" {
			close(late)
			<-done
		}
		if status := r.doc.Collectors["user"]; status.Error != c.says || (r.doc.Host != nil) != (c.says == "") {
			t.Errorf("%s: %+v, host %v", name, status, r.doc.Host)
		}
	}
}

// all is a policy that reads every section.
func all(string) bool { return true }
