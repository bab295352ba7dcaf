package daily

import (
	"testing"

	"stackpolicy/history"
)

// A finding has returned if it appeared after it was resolved. Two that are open at the same time,
// or were healed by the same audit, are two.
func TestReturned(t *testing.T) {
	at := clockTime
	one := func(id int64, from, to int) history.Occurrence { // minutes after nine; 0 is not ended
		if to == 0 {
			return found(id, "x", "web.service", "page", "m", at(9, from), nil)
		}
		return found(id, "x", "web.service", "page", "m", at(9, from), ptr(at(9, to)))
	}
	other := one(2, 20, 0)
	other.Evidence = map[string]any{"case": "any", "path": "/other"}
	for name, c := range map[string]struct {
		list []history.Occurrence
		want int
	}{
		"once":                        {[]history.Occurrence{one(1, 5, 10)}, 0},
		"healed at once":              {[]history.Occurrence{one(1, 5, 5)}, 0},
		"two at the same time":        {[]history.Occurrence{one(1, 5, 0), one(2, 5, 0)}, 0},
		"two that ended":              {[]history.Occurrence{one(1, 5, 10), one(2, 5, 10)}, 0},
		"two healed at once":          {[]history.Occurrence{one(1, 5, 5), one(2, 5, 5)}, 0},
		"one after the other":         {[]history.Occurrence{one(1, 5, 10), one(2, 20, 0)}, 1},
		"in the audit that ended one": {[]history.Occurrence{one(1, 5, 10), one(2, 10, 0)}, 1},
		"healed twice":                {[]history.Occurrence{one(1, 5, 5), one(2, 20, 20)}, 1},
		"about another thing":         {[]history.Occurrence{one(1, 5, 10), other}, 0},
	} {
		in := only(snapshotOf(stack("web", "active")), c.list...)
		if got := Build(in).Back.count(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
