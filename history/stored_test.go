package history

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

func TestStored(t *testing.T) {
	until := time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		finding finding.Finding
		text    string
	}{
		"a block": {
			finding.Finding{
				Invariant: "stack_running", Subject: "web.service", Effect: finding.Block, Severity: finding.Page, Message: "down",
				Runbook: "r.md", Evidence: map[string]any{"case": "exited", "exit_code": json.Number("137"), "bytes": json.Number("9007199254740993")},
			},
			`{"invariant":"stack_running","subject":"web.service","case":"exited","effect":"block","severity":"page","message":"down","runbook":"r.md","evidence":{"bytes":9007199254740993,"case":"exited","exit_code":137},"outcome":""}`,
		},
		"a waived heal": {
			finding.Finding{
				Invariant: "loaded_is_current", Subject: "web.service", Effect: finding.Heal, Severity: finding.Ticket, Outcome: finding.Refused,
				Evidence: map[string]any{}, Waiver: &finding.Waiver{Reason: "moves", Owner: "ada", Until: until},
			},
			`{"invariant":"loaded_is_current","subject":"web.service","case":"","effect":"heal","severity":"ticket","message":"","runbook":"","evidence":{},"outcome":"refused","waived_until":"2026-12-24T18:00:00Z","waived_reason":"moves","waived_by":"ada"}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := sqlite.Encode(Stored(c.finding))
			if err != nil {
				t.Fatal(err)
			}
			if text != c.text {
				t.Errorf("stored\n got %s\nwant %s", text, c.text)
			}
			var stored StoredFinding
			if err := sqlite.Decode(c.text, &stored); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.finding, stored.finding()); d != "" {
				t.Errorf("read again -want +got\n%s", d)
			}
		})
	}
}

// Evidence is never nil, although rows of earlier versions may have null.
func TestStoredWithoutEvidence(t *testing.T) {
	var stored StoredFinding
	if err := sqlite.Decode(`{"invariant":"a","evidence":null}`, &stored); err != nil {
		t.Fatal(err)
	}
	if f := stored.finding(); f.Evidence == nil || f.Invariant != "a" {
		t.Errorf("got %+v", f)
	}
	if text, err := sqlite.Encode(Stored(finding.Finding{})); err != nil || !json.Valid([]byte(text)) || Stored(finding.Finding{}).Evidence == nil {
		t.Errorf("got %s, %v", text, err)
	}
}

// Content that this package does not write counts as damage.
func TestDecodeDamage(t *testing.T) {
	for _, text := range []string{"", "{", `{"evidence":[1]}`, `{"invariant":7}`, `{}{}`} {
		var stored StoredFinding
		if err := sqlite.Decode(text, &stored); !errors.Is(err, sqlite.ErrDamaged) {
			t.Errorf("%q: got %v, want damage", text, err)
		}
	}
}
