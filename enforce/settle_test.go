package enforce

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"stackpolicy/facts"
)

// changed is the sound document in which web.service's file changed at a time.
func changed(at time.Time, digest string) Observation {
	u := web()
	u.Files[0].Digest, u.Files[0].ChangedAt = digest, &at
	return seen(sound(u), heal("web.service", "daemon-reload"))
}

// environmentAt is the sound document with a file in environment.d that is declared
// and was changed at a time.
func environmentAt(at time.Time) Observation {
	o := changed(now.Add(-time.Hour), "a")
	o.Document.ManagerFiles = &facts.ManagerFiles{Files: []facts.ManagerFile{{Path: "/e", Origin: facts.OriginDeclared, Effective: true, ChangedAt: &at}}}
	return o
}

func later(o Observation, d time.Duration) Observation {
	doc := *o.Document
	doc.CollectedAt = doc.CollectedAt.Add(d)
	o.Document = &doc
	return o
}

func TestSettles(t *testing.T) {
	old := now.Add(-time.Hour)
	stranger := seen(sound(web(), facts.Unit{Name: "new.service", ManagedBy: "config"}), heal("web.service", "daemon-reload"))
	renamed := seen(sound(web(), facts.Unit{Name: "newer.service", ManagedBy: "config"}), heal("web.service", "daemon-reload"))
	for _, o := range []Observation{stranger, renamed} {
		o.Document.Units[1].Reload = &facts.Reload{}
	}
	unmanaged := changed(now, "a")
	unmanaged.Document.Units[0].Name, unmanaged.Document.Units[0].ManagedBy = "other.service", ""
	unmanaged.Document.Units = append(unmanaged.Document.Units, web())
	cases := map[string]struct {
		observed []Observation
		waits    int
	}{
		"still":                               {[]Observation{changed(old, "a"), changed(old, "a")}, 0},
		"changed between two observations":    {[]Observation{changed(old, "a"), changed(old, "b"), changed(old, "b")}, 1},
		"changed twice":                       {[]Observation{changed(old, "a"), changed(old, "b"), changed(old, "c"), changed(old, "c")}, 2},
		"just changed":                        {[]Observation{changed(now, "a"), changed(now, "a"), later(changed(now, "a"), settleTime)}, 1},
		"the manager's own file just changed": {[]Observation{environmentAt(now), environmentAt(now), later(environmentAt(now), settleTime)}, 1},
		"the manager's own file changed":      {[]Observation{environmentAt(old), changed(old, "a"), changed(old, "a")}, 1},
		"a unit more":                         {[]Observation{changed(old, "a"), stranger, stranger}, 1},
		"another unit":                        {[]Observation{stranger, renamed, renamed}, 1},
		"not a managed unit's file":           {[]Observation{unmanaged, unmanaged}, 0},
		"a clock that was set back":           {[]Observation{changed(now.Add(time.Hour), "a"), changed(now.Add(time.Hour), "a")}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &manager{}
			got, took := run(t, m, c.observed...)
			want(t, got, m, []string{Done}, "daemon-reload")
			if took != time.Duration(c.waits)*settleTime {
				t.Errorf("waited %s, want %d times %s", took, c.waits, settleTime)
			}
		})
	}
}

func TestFilesThatKeepChangingRefuse(t *testing.T) {
	var list []Observation
	for i := range 20 {
		list = append(list, changed(now.Add(-time.Hour), fmt.Sprint(i)))
	}
	m := &manager{}
	got, took := run(t, m, list...)
	want(t, got, m, []string{Refused})
	if took != maxObservations*settleTime {
		t.Errorf("gave up after %s, want %s", took, maxObservations*settleTime)
	}
	if got[0].Message != "facts could not be read again: unit files keep changing" {
		t.Errorf("got %q", got[0].Message)
	}
}

// TestWaitingEndsWithTheContext, so that the audit can be stopped.
func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), settleTime/2)
		defer cancel()
		o := changed(now, "a")
		e := Enforcer{Settings: settings, Observe: (&sequence{list: []Observation{o}}).observe}
		if _, err := e.settled(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
