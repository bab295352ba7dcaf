package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

// sender ships a history to a copy, through JSON, as often as asked.
type sender struct {
	from, to *Store
	cursor   Cursor
	numbers  map[string]int64
	places   Places
	sent     []Shipment
	rows     int // of each kind in a shipment
}

func (x *sender) ship(t *testing.T, limit int) (shipments int) {
	t.Helper()
	for more := true; more; {
		e, err := x.from.Export(t.Context(), x.cursor, func(key string) (int64, error) { return x.numbers[key], nil }, Room{limit, max(x.rows, 1)})
		if err != nil {
			t.Fatal(err)
		}
		x.cursor, more = throughJSON(t, e.Cursor), e.More
		for _, n := range e.Numbered {
			x.numbers[n.Key] = n.Number
		}
		if e.Shipment.IsEmpty() {
			break
		}
		shipments++
		if shipments > 10_000 {
			t.Fatal("it does not end")
		}
		x.add(t, throughJSON(t, e.Shipment))
	}
	return shipments
}

func (x *sender) add(t *testing.T, s Shipment) {
	t.Helper()
	x.sent = append(x.sent, s)
	if err := x.to.Import(t.Context(), s, &x.places); err != nil {
		t.Fatal(err)
	}
}

func throughJSON[T any](t *testing.T, v T) (back T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// all returns what can be read of a history, documents included.
func all(t *testing.T, s *Store) map[string]any {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	audits := must(s.Audits(ctx, time.Time{}, 100_000))(t)
	documents := map[string]*facts.Document{}
	rules := map[string]string{}
	for _, a := range audits {
		if a.DocumentDigest != "" {
			documents[a.DocumentDigest] = must(s.Document(ctx, a.DocumentDigest, noon))(t)
		}
		files, err := s.Rules(ctx, a.PolicyDigest)
		rules[a.PolicyDigest] = fmt.Sprint(string(files), err == nil)
	}
	return map[string]any{
		"audits": audits, "documents": documents, "rules": rules,
		"findings": must(s.Occurrences(ctx, time.Time{}, 100_000))(t),
		"actions":  must(s.Actions(ctx, time.Time{}, 100_000))(t),
	}
}

// busy writes random audits and actions, and ships now and then.
func busy(t *testing.T, x *sender, r *rand.Rand, audits, limit int) {
	t.Helper()
	at, doc := noon, document(t, 4)
	for i := range audits {
		at = at.Add(5 * time.Minute)
		if r.IntN(3) == 0 {
			doc = copied(t, doc)
			doc.Units[r.IntN(len(doc.Units))].Loaded.SubState = fmt.Sprint("state", r.IntN(3))
		}
		a := audited(doc, at)
		a.PolicyDigest = fmt.Sprintf("sha256:policies%d", i/20)
		a.Rules = func() ([]byte, error) {
			return json.Marshal(map[string]string{"path": "<a>", "text": fmt.Sprint(i / 20)})
		}
		for unit := range 3 {
			if r.IntN(4) == 0 {
				a.Findings = append(a.Findings, broken("stack_running", doc.Units[unit].Name, []string{"exited", "missing"}[r.IntN(2)]))
			}
		}
		if r.IntN(8) == 0 {
			heal(t, x.from, r, at, doc)
		}
		recorded(t, x.from, a)
		if r.IntN(5) == 0 {
			x.ship(t, limit)
		}
	}
	x.ship(t, limit)
}

func heal(t *testing.T, s *Store, r *rand.Rand, at time.Time, doc *facts.Document) {
	t.Helper()
	id := must(s.Intend(t.Context(), Action{At: at, Action: finding.Restart, Subject: doc.Units[0].Name}, doc))(t)
	if r.IntN(3) == 0 {
		return // it was killed
	}
	if err := s.Conclude(t.Context(), id, Done, "", 5); err != nil {
		t.Fatal(err)
	}
	if err := s.Verified(t.Context(), id, r.IntN(2) == 0, doc); err != nil {
		t.Fatal(err)
	}
}

func between(t *testing.T) *sender {
	from, _ := opened(t)
	to, _ := opened(t)
	return &sender{from: from, to: to, numbers: map[string]int64{}, rows: 10}
}

// A copy is what was copied, whatever happened between two shipments and however small they are;
// adding any of them again changes nothing.
func TestShipment(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			x := between(t)
			x.rows = []int{1, 10}[seed/2%2]
			busy(t, x, rand.New(rand.NewPCG(seed, 1)), 60, []int{4_000, MaxPackedPart}[seed%2])
			want := all(t, x.from)
			if d := cmp.Diff(want, all(t, x.to)); d != "" {
				t.Fatalf("-want +got\n%s", d)
			}
			for _, s := range x.sent {
				x.add(t, s)
			}
			if d := cmp.Diff(want, all(t, x.to)); d != "" {
				t.Fatalf("after all was added again: -want +got\n%s", d)
			}
			if n := x.ship(t, MaxPackedPart); n != 0 {
				t.Errorf("%d shipments of nothing", n)
			}
		})
	}
}

// After a copy lost something, everything is sent again, with new numbers.
func TestShipmentAgain(t *testing.T) {
	x := between(t)
	r := rand.New(rand.NewPCG(1, 2))
	busy(t, x, r, 30, MaxPackedPart)
	x.cursor, x.numbers = x.cursor.Again(), map[string]int64{}
	before := len(x.sent)
	x.ship(t, MaxPackedPart)
	if first := x.sent[before]; !first.Reset || len(x.places.Documents) == 0 {
		t.Errorf("nothing was sent again: %+v", first)
	}
	if d := cmp.Diff(all(t, x.from), all(t, x.to)); d != "" {
		t.Fatalf("-want +got\n%s", d)
	}
	busy(t, x, r, 30, MaxPackedPart) // and what follows names the new ones
	if d := cmp.Diff(all(t, x.from), all(t, x.to)); d != "" {
		t.Fatalf("-want +got\n%s", d)
	}
}

// Audits that were forgotten before they were sent are counted.
func TestShipmentOfWhatWasForgotten(t *testing.T) {
	x := between(t)
	for i := range 10 {
		a := audited(document(t, 1), noon.Add(time.Duration(i)*time.Minute))
		a.ExitCode = i
		recorded(t, x.from, a)
		if i == 1 {
			x.ship(t, MaxPackedPart)
		}
	}
	err := x.from.db.Update(t.Context(), func(tx sqlite.Tx) error { return tx.Do("DELETE FROM spans WHERE id IN (2, 3, 4, 5)") })
	if err != nil {
		t.Fatal(err)
	}
	x.ship(t, MaxPackedPart)
	if got := x.sent[len(x.sent)-1].Lost; got != 3 { // of four, one had been sent
		t.Errorf("%d audits are lost, want 3", got)
	}
	err = x.from.db.Update(t.Context(), func(tx sqlite.Tx) error { return tx.Do("DELETE FROM spans WHERE id = 1") })
	if err != nil {
		t.Fatal(err)
	}
	y := between(t) // a host that is enrolled later
	y.from = x.from
	y.ship(t, MaxPackedPart)
	x.cursor, x.numbers = x.cursor.Again(), map[string]int64{}
	x.ship(t, MaxPackedPart)
	for _, s := range append(y.sent, x.sent[len(x.sent)-1]) {
		if s.Lost != 0 {
			t.Errorf("from the beginning, %d audits are lost", s.Lost)
		}
	}
}

// A history that was replaced by a new one follows behind.
func TestShipmentOfANewHistory(t *testing.T) {
	x := between(t)
	busy(t, x, rand.New(rand.NewPCG(3, 3)), 20, MaxPackedPart)
	before := must(x.to.Audits(t.Context(), time.Time{}, 1000))(t)
	second := between(t)
	x.from = second.from
	err := x.from.db.Update(t.Context(), func(tx sqlite.Tx) error { return tx.Do("UPDATE origin SET began = began + 1") })
	if err != nil {
		t.Fatal(err)
	}
	places := must(x.to.Places(t.Context()))(t)
	x.places.Span, x.places.Finding, x.places.Action = places.Span, places.Finding, places.Action
	if err := x.to.Abandon(t.Context(), sqlite.Stamp(noon.Add(24*time.Hour))); err != nil {
		t.Fatal(err)
	}
	busy(t, x, rand.New(rand.NewPCG(4, 4)), 20, MaxPackedPart)
	after := must(x.to.Audits(t.Context(), time.Time{}, 1000))(t)
	own := must(x.from.Audits(t.Context(), time.Time{}, 1000))(t)
	if d := cmp.Diff(append(own, before...), after); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, o := range must(x.to.Occurrences(t.Context(), noon, 1000))(t) {
		if o.ResolvedAt == nil && o.ID <= places.Finding {
			t.Errorf("a finding of the first history is still open: %+v", o)
		}
	}
}

// What cannot be sent in one message is left out, and the audit is sent without its facts.
func TestShipmentOfALargePart(t *testing.T) {
	x := between(t)
	doc := document(t, 2)
	noise := make([]byte, 2*MaxPackedPart)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range noise {
		noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[r.IntN(64)]
	}
	doc.Units[0].Loaded.SubState = string(noise)
	recorded(t, x.from, audited(doc, noon))
	x.ship(t, MaxPackedPart)
	got := must(x.to.LastAudit(t.Context()))(t)
	if got == nil || got.DocumentDigest != "" || got.Count != 1 {
		t.Errorf("sent %+v", got)
	}
}

// A document of which the JSON is small and the values are many is not read.
func TestImportOfManyValues(t *testing.T) {
	x := between(t)
	head := json.RawMessage(`{"units": [` + strings.Repeat("{},", maxWeight/10) + `{}]}`)
	x.add(t, Shipment{
		Part: 1, Parts: []json.RawMessage{head, json.RawMessage(`{}`)}, Document: 1,
		Documents: [][]Run{{{1, 1}}, slices.Repeat([]Run{{1, 0}}, 20)},
		Spans:     []ShippedSpan{{ID: 1, Last: 1, Count: 1, Total: 1, Document: 1}, {ID: 2, Last: 2, Count: 1, Total: 2, Document: 2}},
	})
	audits := must(x.to.Audits(t.Context(), time.Time{}, 2))(t)
	if _, err := x.to.Document(t.Context(), audits[1].DocumentDigest, noon); err != nil {
		t.Errorf("of few: %v", err)
	}
	if _, err := x.to.Document(t.Context(), audits[0].DocumentDigest, noon); !errors.Is(err, errWeight) {
		t.Errorf("of many: %v", err)
	}
}

// What no sender of this program writes is left out, and the copy stays readable.
func TestImportOfRubbish(t *testing.T) {
	x := between(t)
	busy(t, x, rand.New(rand.NewPCG(5, 5)), 10, MaxPackedPart)
	want := all(t, x.to)
	part := json.RawMessage(`{"rubbish": true}`)
	for _, s := range []Shipment{
		{Findings: []ShippedFinding{{ID: 900, Finding: json.RawMessage(`7`)}, {ID: 901}}},
		{Actions: []ShippedAction{{ID: 900, Reasons: json.RawMessage(`"none"`)}}},
		{Spans: []ShippedSpan{{ID: 900, Gaps: json.RawMessage(`{}`)}}},
		{Part: 1, Parts: []json.RawMessage{part}, Document: 1, Documents: [][]Run{{{1, 0}, {1 << 40, 3}}}},
		{Part: -5, Parts: []json.RawMessage{json.RawMessage(`1`)}},
		{Part: math.MaxInt64, Parts: []json.RawMessage{json.RawMessage(`2`), json.RawMessage(`3`)}},
		{Extended: &ShippedSpan{ID: 4000}, Forgotten: []int64{-1, 5000}},
	} {
		x.add(t, throughJSON(t, s))
	}
	if d := cmp.Diff(want, all(t, x.to)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// A message of a few bytes cannot make the copy use all memory or all of the disk.
func TestImportOfTooMuch(t *testing.T) {
	x := between(t)
	busy(t, x, rand.New(rand.NewPCG(5, 5)), 10, MaxPackedPart)
	want := all(t, x.to)
	long := strings.Repeat("s", maxShippedAction+1)
	finding := `{"invariant":"i","subject":"` + long[:maxShippedFinding] + `"}`
	for name, s := range map[string]Shipment{
		"the last number":        {Documents: [][]Run{{{math.MaxInt64, 0}}}},
		"behind the last number": {Documents: [][]Run{{{math.MaxInt64 - 1, 5}}}},
		"numbers below zero":     {Documents: [][]Run{{{math.MinInt64, 5}}}},
		"a run without end":      {Documents: [][]Run{{{1, 1 << 60}}}},
		"a run below zero":       {Documents: [][]Run{{{1, -1}}}},
		"one part very often":    {Documents: [][]Run{slices.Repeat([]Run{{1, 0}}, maxShippedParts+1)}},
		"many large documents":   {Documents: slices.Repeat([][]Run{{{1, maxShippedParts - 1}}}, 100)},
		"many documents":         {Documents: slices.Repeat([][]Run{{{1, 0}}}, maxShippedRows+1)},
		"many parts":             {Part: 1, Parts: slices.Repeat([]json.RawMessage{json.RawMessage("1")}, maxShippedParts+1)},
		"many spans":             {Spans: make([]ShippedSpan, maxShippedRows+1)},
		"many findings":          {Findings: make([]ShippedFinding, maxShippedRows+1)},
		"many forgotten":         {Forgotten: make([]int64, maxShippedRows+1)},
		"a long finding":         {Findings: []ShippedFinding{{ID: 900, Finding: json.RawMessage(finding)}}},
		"a long message":         {Actions: []ShippedAction{{ID: 900, Message: long}}},
		"a long verdict":         {Spans: []ShippedSpan{{ID: 900, Verdict: long[:maxShippedSpan+1]}}},
		"many long verdicts":     {Spans: slices.Repeat([]ShippedSpan{{ID: 900, Verdict: long[:maxShippedSpan]}}, 3000)},
		"a long digest":          {Rules: []ShippedRules{{Digest: long, Files: json.RawMessage("[]")}}},
	} {
		if err := x.to.Import(t.Context(), s, &x.places); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d := cmp.Diff(want, all(t, x.to)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
