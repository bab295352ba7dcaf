package history

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackpolicy/internal/sqlite"
)

// FuzzStored: a row of the history is a finding or an error; a finding is stored and read
// again as it is.
func FuzzStored(f *testing.F) {
	f.Add(`{"invariant":"stack_running","subject":"web.service","effect":"block","severity":"page","message":"it is down","evidence":{"case":"exited","n":1}}`)
	f.Add(`{"evidence":null,"waiver":{"reason":"x","until":"2026-03-01T00:00:00Z"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var stored StoredFinding
		if sqlite.Decode(text, &stored) != nil {
			return
		}
		first := stored.finding()
		again, err := sqlite.Encode(Stored(first))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var second StoredFinding
		if err := sqlite.Decode(again, &second); err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		if d := cmp.Diff(first, second.finding(), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%q: -first +second\n%s", text, d)
		}
	})
}
