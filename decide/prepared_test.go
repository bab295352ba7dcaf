package decide

import (
	"slices"
	"testing"
	"time"

	"stackpolicy/facts"
)

// What a series keeps of one document must not decide the next: whatever differs is decided
// as if there had been no document before.
func TestSeries(t *testing.T) {
	p := builtIn(t)
	first := sound(3)
	change := func(how func(*facts.Document)) *facts.Document {
		doc := *first // what is not changed is shared
		doc.Units = slices.Clone(doc.Units)
		how(&doc)
		return &doc
	}
	documents := map[string]*facts.Document{
		"linger is off": change(func(d *facts.Document) { user := *d.User; user.Linger = false; d.User = &user }),
		"a unit failed": change(func(d *facts.Document) {
			loaded := *d.Units[1].Loaded
			loaded.ActiveState = "failed"
			d.Units[1].Loaded = &loaded
		}),
		"a unit is gone":  change(func(d *facts.Document) { d.Units = d.Units[1:] }),
		"another order":   change(func(d *facts.Document) { slices.Reverse(d.Units) }),
		"a gap":           change(func(d *facts.Document) { d.Collectors = map[string]facts.CollectorStatus{} }),
		"a later time":    change(func(d *facts.Document) { d.CollectedAt = d.CollectedAt.Add(48 * time.Hour) }),
		"nothing changed": change(func(*facts.Document) {}),
	}
	for name, doc := range documents {
		series, remembering := Series{}, with(p, p.evaluator, NewMemory(), "test")
		for _, doc := range []*facts.Document{first, doc, first} {
			want := verdicts(t, p, doc)
			prepared := series.Prepare(doc)
			for _, q := range []*Policies{p, remembering} {
				result, err := q.DecidePrepared(t.Context(), prepared)
				if err != nil {
					t.Fatal(err)
				}
				if got := lines(t, result); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
				}
			}
		}
	}
}
