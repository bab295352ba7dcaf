package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/fleet"
	"stackpolicy/history"
	"stackpolicy/internal/sqlite"
)

// chainOfAll returns the envelopes of a busy source: audits and heals, all sent again, another
// history, beats, what no version of the program makes, and a gap before what begins anew.
func chainOfAll(t *testing.T, l *liar, seed uint64) (list []Received) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	subject := subjectOf(t, l.Source)
	send := func(s history.Shipment) {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Received{subject, l.seal(t, fleet.Beat{Audited: noon}, string(text)), noon})
	}
	part, document, span, began := int64(0), int64(0), int64(0), int64(1)
	for i := range 60 {
		switch r.IntN(12) {
		case 0:
			list = append(list, Received{subject, l.seal(t, fleet.Beat{Audited: noon}, ""), noon})
			continue
		case 1:
			bad := []string{`{"spans": 7}`, `{"began": 1, "documents": [[[1, -1]]]}`, `{"reset": true, "parts": [` + strings.Repeat("1,", 60_000) + `1]}`}[r.IntN(3)]
			list = append(list, Received{subject, l.seal(t, fleet.Beat{}, bad), noon})
			continue
		case 2:
			began, span = began+1, 0
		case 3:
			l.seal(t, fleet.Beat{}, `{"began": 1}`) // it is lost
			send(history.Shipment{Began: began, Reset: true, Lost: 2})
		}
		s := history.Shipment{Began: began, Reset: r.IntN(10) == 0, Lost: int64(r.IntN(2)), Part: part + 1, Document: document + 1}
		first := part + 1
		for range 1 + r.IntN(3) {
			part++
			s.Parts = append(s.Parts, json.RawMessage(fmt.Sprintf(`{"unit": %d}`, r.IntN(12)))) // most are here already
		}
		document++
		s.Documents = [][]history.Run{{{first, part - first}, {1 + r.Int64N(part), 0}}}
		s.Rules = []history.ShippedRules{{Digest: fmt.Sprint("sha256:", r.IntN(3)), Files: json.RawMessage(`[]`)}}
		if span > 0 {
			s.Extended = &history.ShippedSpan{ID: span, Last: int64(i), Count: 2, Total: span + 1}
		}
		span++
		s.Spans = []history.ShippedSpan{{ID: span, First: int64(i), Last: int64(i), Count: 1, Total: span, Document: 1 + r.Int64N(document), Policy: "sha256:1"}}
		id, resolved := 1+r.Int64N(6), int64(i)
		f := history.ShippedFinding{ID: id, Since: int64(i), Finding: json.RawMessage(`{"invariant": "i", "subject": "s", "severity": "page", "evidence": {}}`)}
		if r.IntN(2) == 0 {
			f.Resolved = &resolved
		}
		s.Findings = []history.ShippedFinding{f}
		if r.IntN(4) == 0 {
			s.Forgotten = []int64{1 + r.Int64N(6)}
		}
		s.Actions = []history.ShippedAction{{ID: 1 + r.Int64N(20), At: int64(i), Reasons: json.RawMessage(`[]`), Before: document, After: 1 + r.Int64N(document)}}
		send(s)
	}
	return list
}

// rowsOfAll returns all rows of a chain's memory, and what the shard says of it.
func rowsOfAll(t *testing.T, hub *hub, subject string, key fleet.PublicKey) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	read := func(path string, queries map[string]string) {
		d, err := sqlite.Open(t.Context(), path, true, func(context.Context, *sqlite.DB) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		err = d.View(t.Context(), func(tx sqlite.Tx) error {
			for name, query := range queries {
				rows, err := sqlite.List(tx, func(r sqlite.Row) (s string, err error) { return s, r.Scan(&s) }, query)
				if err != nil {
					return err
				}
				all[name] = rows
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read(history.Path(hub.memoryFolder(subject, key)), map[string]string{
		"parts":     "SELECT concat_ws('|', id, hex(digest), hex(content)) FROM parts ORDER BY id",
		"documents": "SELECT concat_ws('|', id, digest, parts) FROM documents ORDER BY id",
		"rules":     "SELECT concat_ws('|', digest, hex(files)) FROM rules ORDER BY digest",
		"spans":     "SELECT json_array(id, first, last, count, total, mode, exit_code, policy, document, gaps, duration_ms, verdict) FROM spans ORDER BY id",
		"findings":  "SELECT json_array(id, finding, since, seen, resolved) FROM standings ORDER BY id",
		"actions":   "SELECT json_array(id, at, action, subject, reasons, status, healed, message, duration_ms, before, after) FROM actions ORDER BY id",
		"origin":    "SELECT began FROM origin",
	})
	source, err := fleet.ParseSubject(subject)
	if err != nil {
		t.Fatal(err)
	}
	read(filepath.Join(Path(hub.data), fmt.Sprintf("shard-%02d.db", shardOf(source))), map[string]string{
		"chain":       "SELECT json_array(applied, newest, lost, refused, refusal, view) FROM chains",
		"generations": "SELECT json_array(began, span, finding, action) FROM generations ORDER BY began",
		"aliases":     "SELECT json_array(kind, number, id) FROM aliases ORDER BY kind, number",
	})
	return all
}

// noted is what a shard says of its only chain after a turn.
type noted struct {
	applied, lost, refused int64
	refusal, view          string
	aliases                history.Places
}

func notedOf(t *testing.T, d *sqlite.DB) (n noted) {
	t.Helper()
	err := d.View(t.Context(), func(tx sqlite.Tx) error {
		return errors.Join(readAliases(tx, 1, &n.aliases),
			tx.One("SELECT applied, lost, refused, refusal, view FROM chains").Scan(&n.applied, &n.lost, &n.refused, &n.refusal, &n.view))
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// forget leaves the shard as it is if the process is killed before it notes what it added.
func (n noted) forget(t *testing.T, d *sqlite.DB) {
	t.Helper()
	err := d.Update(t.Context(), func(tx sqlite.Tx) error {
		return errors.Join(tx.Do("DELETE FROM aliases"), keepAliases(tx, 1, n.aliases),
			tx.Do("UPDATE chains SET applied = ?, lost = ?, refused = ?, refusal = ?, view = ?", n.applied, n.lost, n.refused, n.refusal, n.view))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A memory is the same, whether envelopes are added one by one, some at a time, or all together,
// and also if the process is killed between the memory and the shard.
func TestApplyTogether(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 8))
			key, err := fleet.NewKey()
			if err != nil {
				t.Fatal(err)
			}
			l := &liar{Source: fleet.Source{Org: "home", Host: "web", User: "alice"}, key: key}
			list, got := chainOfAll(t, l, seed), map[string]map[string][]string{}
			for kind, size := range map[string]func() int{
				"one by one":       func() int { return 1 },
				"some, and killed": func() int { return 1 + r.IntN(30) },
				"all":              func() int { return len(list) },
			} {
				hub := newHub(t)
				hub.enroll(t, fleet.Identity{Source: l.Source, Key: key.Public(), Enrolled: noon})
				d, err := hub.shard(t.Context(), shardOf(l.Source))
				if err != nil {
					t.Fatal(err)
				}
				for rest := list; len(rest) > 0; {
					n := min(size(), len(rest))
					if _, err := hub.Take(t.Context(), rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
					for more := true; more; {
						before := notedOf(t, d)
						if more, err = hub.Apply(t.Context(), noon, l.Source); err != nil {
							t.Fatal(err)
						}
						if kind == "some, and killed" && r.IntN(2) == 0 {
							before.forget(t, d)
							more = true
						}
					}
				}
				got[kind] = rowsOfAll(t, hub, subjectOf(t, l.Source), key.Public())
			}
			want := got["one by one"]
			if len(want["spans"]) < 20 || len(want["aliases"]) == 0 || len(want["generations"]) < 2 {
				t.Fatalf("too little happened: %v", want)
			}
			for kind := range got {
				if d := cmp.Diff(want, got[kind]); d != "" {
					t.Errorf("%s: -want +got\n%s", kind, d)
				}
			}
		})
	}
}

// Of envelopes that wait together, those before one that was changed on the disk are added.
func TestApplyUpToChange(t *testing.T) {
	hub := newHub(t)
	web := newHost(t, hub, "web")
	for i := range 5 {
		web.audit(t, fmt.Sprint(i))
		hub.take(t, web.at, web.Source, web.seal(t))
	}
	d, err := hub.shard(t.Context(), shardOf(web.Source))
	if err == nil {
		err = execute(t, d, "UPDATE envelopes SET sealed = CAST(sealed || x'00' AS BLOB) WHERE seq = 4")
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if more, err := hub.Apply(t.Context(), web.at); err == nil || more || !strings.Contains(err.Error(), "envelope 4 was changed on the disk") {
			t.Errorf("more %t, error %v", more, err)
		}
		if got := sourceNamed(t, hub, "web"); got.Applied != 3 {
			t.Errorf("%+v", got)
		}
	}
}

// Chains of which envelopes wait are worked on at the same time, and what is wrong with one
// delays no other. A source that is named twice is one.
func TestApplyManyChains(t *testing.T) {
	hub := newHub(t)
	hosts, sources := []*host{}, []fleet.Source{}
	for i := range 8 {
		h := newHost(t, hub, fmt.Sprint("host", i))
		for n := range 3 {
			h.audit(t, fmt.Sprint(n), "exited")
			hub.take(t, h.at, h.Source, h.seal(t))
		}
		hosts, sources = append(hosts, h), append(sources, h.Source, h.Source)
	}
	d, err := hub.shard(t.Context(), shardOf(hosts[3].Source))
	if err == nil {
		err = execute(t, d, "UPDATE envelopes SET sealed = x'00' WHERE seq = 1 AND chain IN (SELECT id FROM chains WHERE subject LIKE '%host3%')")
	}
	if err != nil {
		t.Fatal(err)
	}
	more, err := hub.Apply(t.Context(), hosts[0].at, sources...)
	if err == nil || more || strings.Count(err.Error(), "add to the memory") != 1 {
		t.Errorf("more %t, error %v", more, err)
	}
	for i, h := range hosts {
		if i == 3 {
			continue
		}
		if d := cmp.Diff(remembered(t, h.Store), hub.memory(t, h.Source.Host)); d != "" {
			t.Errorf("%s: -host +hub\n%s", h.Source.Host, d)
		}
	}
}

// While the archive is busy only a few chains are worked on. All are in the end.
func TestApplyWhileBusy(t *testing.T) {
	hub := newHub(t)
	for i := range 2*aFew + 1 {
		h := newHost(t, hub, fmt.Sprint("host", i))
		h.audit(t, "a")
		hub.take(t, h.at, h.Source, h.seal(t))
	}
	hub.IsBusy = func() bool { return true }
	for calls := 1; ; calls++ {
		more, err := hub.Apply(t.Context(), noon)
		if err != nil {
			t.Fatal(err)
		}
		all, err := hub.Memories(t.Context())
		if err != nil || len(all) != min(calls*aFew, 2*aFew+1) || more != (calls < 3) {
			t.Errorf("call %d: %d memories, more %t, %v", calls, len(all), more, err)
		}
		if !more {
			break
		}
	}
}
