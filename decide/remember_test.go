package decide

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/policies"
)

// asked counts for how many units each invariant is evaluated.
type asked struct {
	Evaluator
	units map[string]int // of invariants that were evaluated at all
}

func (a *asked) Evaluate(ctx context.Context, doc *Prepared, invariants []*policy.Invariant, answer func(int, Answer)) {
	for _, inv := range invariants {
		a.units[inv.ID] += len(doc.Units)
	}
	a.Evaluator.Evaluate(ctx, doc, invariants, answer)
}

// counted returns policies that count, with a memory.
func counted(p *Policies, m Memory) (*Policies, *asked) {
	a := &asked{p.evaluator, map[string]int{}}
	return with(p, a, m, "test"), a
}

// with returns policies with another evaluator, and a memory.
func with(p *Policies, e Evaluator, m Memory, program string) *Policies {
	c := *p
	c.evaluator, c.opts.Memory, c.opts.Program = e, m, program
	return c.remembering()
}

func builtIn(t testing.TB) *Policies {
	t.Helper()
	p, err := Load(context.Background(), policies.FS, Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// verdicts are the bytes of all decisions.
func verdicts(t *testing.T, p *Policies, doc *facts.Document) string {
	t.Helper()
	result, err := p.Decide(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	return lines(t, result)
}

func lines(t *testing.T, result Result) string {
	t.Helper()
	var all strings.Builder
	for _, f := range result.Decisions {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %s\n", text, f.Action)
	}
	return all.String()
}

// world makes documents out of parts of all documents that other tests know.
type world struct {
	*rand.Rand
	heads  []map[string]any
	units  []map[string]any
	values map[string][]any // of each key, wherever it is, each once
	seen   map[string]bool
	last   any // the last document
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), values: map[string][]any{}, seen: map[string]bool{}}
	files, err := filepath.Glob("../testdata/facts/*.json")
	if err != nil || len(files) < 4 {
		t.Fatal(err, files)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		w.learn(t, text)
	}
	for _, way := range ways {
		s := situation{good(t)}
		for _, change := range []func(situation){way.right, way.wrong} {
			change(s)
			text, err := json.Marshal(s.Document)
			if err != nil {
				t.Fatal(err)
			}
			w.learn(t, text)
		}
	}
	return w
}

func (w *world) learn(t *testing.T, text []byte) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, u := range doc["units"].([]any) {
		w.units = append(w.units, u.(map[string]any))
		w.collect("", u)
	}
	delete(doc, "units")
	w.heads = append(w.heads, doc)
	w.collect("", doc)
}

func (w *world) collect(key string, v any) {
	switch x := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			w.collect(k, x[k])
		}
	case []any:
		for _, of := range x {
			w.collect(key, of)
		}
	}
	if text := key + fmt.Sprint(v); !w.seen[text] {
		w.seen[text] = true
		w.values[key] = append(w.values[key], v)
	}
}

func pick[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

// document makes a document: each section from any head, up to six of all units, and some
// values replaced by others that the same key has elsewhere. Names are few, so that a unit
// comes again with other facts. It is nil if the result is no document.
func (w *world) document() *facts.Document {
	made := map[string]any{}
	for k, v := range pick(w, w.heads) {
		made[k] = v
	}
	for range w.IntN(4) {
		from := pick(w, w.heads)
		k := pick(w, slices.Sorted(maps.Keys(from)))
		made[k] = from[k]
	}
	units := []any{}
	for _, n := range w.Perm(8)[:w.IntN(8)] {
		u := maps.Clone(pick(w, w.units))
		u["name"] = fmt.Sprintf("u%d.service", n)
		units = append(units, u)
	}
	made["units"] = units
	text, err := json.Marshal(made)
	if err != nil {
		panic(err)
	}
	var own any // nothing of it is shared
	if err := json.Unmarshal(text, &own); err != nil {
		panic(err)
	}
	for _, u := range own.(map[string]any)["units"].([]any) {
		for range w.IntN(30) {
			w.mutate(u)
		}
	}
	for range w.IntN(4) {
		w.mutate(own)
	}
	w.last = own
	return w.decoded()
}

// next makes a document out of the last one, of which one value is replaced.
func (w *world) next() *facts.Document {
	units := w.last.(map[string]any)["units"].([]any)
	if len(units) > 0 && w.IntN(4) > 0 {
		w.mutate(pick(w, units))
	} else {
		w.mutate(w.last)
	}
	return w.decoded()
}

func (w *world) decoded() *facts.Document {
	text, err := json.Marshal(w.last)
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(text, &w.last); err != nil { // nothing of it is shared
		panic(err)
	}
	doc := &facts.Document{}
	if json.Unmarshal(text, doc) != nil || doc.Schema != facts.Schema {
		return nil
	}
	doc.CollectedAt = doc.CollectedAt.Add(time.Duration(w.IntN(5000)-100) * time.Minute)
	return doc
}

// mutate replaces one value below v by one that its key has elsewhere, of the same kind.
func (w *world) mutate(v any) {
	var slots []func()
	var visit func(any)
	visit = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(x)) {
				if k == "name" || k == "schema" || k == "collected_at" || k == "units" {
					continue
				}
				visit(x[k])
				slots = append(slots, func() {
					if other := pick(w, w.values[k]); reflect.TypeOf(other) == reflect.TypeOf(x[k]) {
						x[k] = other
					}
				})
			}
		case []any:
			for _, of := range x {
				visit(of)
			}
		}
	}
	visit(v)
	pick(w, slots)()
}

// The whole document, each unit alone, and what is remembered give the same bytes, whatever
// was decided before with the same memory.
func TestRememberedIsTheSame(t *testing.T) {
	p, seed := builtIn(t), rand.Uint64()
	for _, seed := range []uint64{1, seed} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			memory := NewMemory()
			remembering, _ := counted(p, memory)
			made, open := 0, map[string]int{}
			for i := range 120 {
				make := w.document
				if i%3 > 0 && w.last != nil {
					make = w.next
				}
				doc := make()
				if doc == nil {
					continue
				}
				made++
				want := verdicts(t, p, doc)
				for line := range strings.Lines(want) {
					if !strings.Contains(line, `"effect":"allow"`) {
						open[strings.Split(line, `"`)[3]]++
					}
				}
				alone, apart := NewMemory(), *doc
				byUnit, count := counted(p, alone)
				for i := range doc.Units {
					apart.Units = doc.Units[i : i+1]
					verdicts(t, byUnit, &apart)
				}
				clear(count.units)
				for name, got := range map[string]string{
					"with all that is remembered": verdicts(t, remembering, doc),
					"again":                       verdicts(t, remembering, doc),
					"unit by unit":                verdicts(t, byUnit, doc),
				} {
					if got != want {
						text, _ := json.Marshal(doc)
						t.Fatalf("%s: -want +got\n%s\nof %s", name, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")), text)
					}
				}
				if n := count.units["links_resolve"]; n > 0 && len(doc.Units) > 0 {
					t.Errorf("links_resolve was evaluated for %d units that were decided one by one", n)
				}
			}
			if made < 80 || len(open) < 12 {
				t.Errorf("%d documents with findings of %v: too few to show anything", made, open)
			}
		})
	}
}

// late has a rule about one unit that reads the time only of a failed one, and a rule about
// all units.
func late() fstest.MapFS {
	of := func(id string) string { return strings.ReplaceAll(fixture.Metadata, "loaded", id) }
	needs := func(text string) string { return strings.ReplaceAll(text, "units.late", "units.loaded") }
	return fixture.Folder(map[string]string{
		fixture.RuleFile: "", fixture.RunbookFile: "",
		"invariants/late/late.md": fixture.Runbook,
		"invariants/late/late.rego": needs(of("late")) + `
finding contains {
	"subject": unit.name,
	"effect": "block",
	"message": "late",
	"evidence": {"case": "any", "n": 12345678901234567890.5},
} if {
	some unit in input.units
	unit.loaded.active_state == "failed"
	time.parse_rfc3339_ns(input.collected_at) - time.parse_rfc3339_ns(unit.loaded.state_change) > time.parse_duration_ns("1h")
}
`,
		"invariants/many/many.md": fixture.Runbook,
		"invariants/many/many.rego": strings.ReplaceAll(of("many"), "[units.many]", "[units.loaded, manager]") + `
finding contains {
	"subject": "host",
	"effect": "block",
	"message": sprintf("%d failed, %s", [count(failed), input.manager.state]),
	"evidence": {"case": "any"},
} if {
	count(failed) > 1
}

failed contains unit.name if {
	some unit in input.units
	unit.loaded.active_state == "failed"
}
`,
	})
}

// What is in trouble is decided again each time, and in the end nothing else.
func TestRememberedTime(t *testing.T) {
	p := load(t, late(), Options{})
	remembering, count := counted(p, NewMemory())
	doc := document()
	for i := range 100 {
		doc.Units = append(doc.Units, soundUnit(fmt.Sprintf("u%d", i)))
	}
	failed := doc.CollectedAt
	for _, i := range []int{7, 70} {
		doc.Units[i].Loaded.ActiveState, doc.Units[i].Loaded.StateChange = "failed", &failed
	}
	for range 12 {
		clear(count.units)
		doc.CollectedAt = doc.CollectedAt.Add(10 * time.Minute)
		want := verdicts(t, p, doc)
		if got := verdicts(t, remembering, doc); got != want {
			t.Fatalf("at %s it is\n%s\nwant\n%s", doc.CollectedAt, got, want)
		}
		if isLate := strings.Contains(want, `"message":"late"`); isLate != (doc.CollectedAt.Sub(failed) > time.Hour) {
			t.Errorf("at %s: late is %t", doc.CollectedAt, isLate)
		}
	}
	if count.units["late"] != 2 || count.units["many"] != 0 {
		t.Errorf("at last, %v units were decided again; want the two failed ones", count.units)
	}
	clear(count.units)
	doc.Units[7].Loaded.ActiveState = "active"
	if got, want := verdicts(t, remembering, doc), verdicts(t, p, doc); got != want || count.units["late"] > 3 || count.units["many"] != 100 {
		t.Errorf("after a change, of %v units, it is\n%s\nwant\n%s", count.units, got, want)
	}
}

// failing is a memory that cannot do anything, and rubbish one that has only that.
type failing struct{}

func (failing) Recall(context.Context, []string) (map[string][]byte, error) {
	return nil, os.ErrInvalid
}
func (failing) Keep(context.Context, map[string][]byte) error { return os.ErrInvalid }

type rubbish struct{ Memory }

func (rubbish) Recall(_ context.Context, keys []string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for i, k := range keys {
		found[k] = []byte([]string{"", "null", "{", "[1]", `{"late":3}`, "\x00"}[i%6])
	}
	return found, nil
}

func TestMemoryThatIsNotToBeTrusted(t *testing.T) {
	p, doc := load(t, late(), Options{}), document("a.service", "b.service")
	at := doc.CollectedAt.Add(-2 * time.Hour)
	for i := range doc.Units {
		doc.Units[i].Loaded.ActiveState, doc.Units[i].Loaded.StateChange = "failed", &at
	}
	want := verdicts(t, p, doc)
	for name, m := range map[string]Memory{"failing": failing{}, "rubbish": rubbish{NewMemory()}} {
		r, _ := counted(p, m)
		for range 2 {
			if got := verdicts(t, r, doc); got != want {
				t.Errorf("%s: it is\n%s\nwant\n%s", name, got, want)
			}
		}
	}
	same := NewMemory()
	verdicts(t, with(p, p.evaluator, same, "one program"), doc)
	a := &asked{p.evaluator, map[string]int{}}
	verdicts(t, with(p, a, same, "another program"), doc)
	if a.units["many"] != 2 {
		t.Errorf("another program took what was not its own: %v", a.units)
	}
	twice := document("a.service", "a.service")
	r, _ := counted(p, same)
	if got, want := verdicts(t, r, twice), verdicts(t, p, twice); got != want {
		t.Errorf("two units of one name: it is\n%s\nwant\n%s", got, want)
	}
}

// A rule that is wrongly taken for one about a unit is seen by the comparison above.
func TestTheComparisonSeesAWrongScope(t *testing.T) {
	p := load(t, late(), Options{})
	for _, inv := range p.invariants {
		inv.Scope.Unit = true
	}
	doc, memory := document("a.service", "b.service"), NewMemory()
	for i := range doc.Units {
		doc.Units[i].Loaded.ActiveState = "failed"
	}
	r, _ := counted(p, memory)
	for i := range doc.Units {
		apart := *doc
		apart.Units = doc.Units[i : i+1]
		verdicts(t, r, &apart)
	}
	if verdicts(t, r, doc) == verdicts(t, p, doc) {
		t.Error("it is not seen")
	}
}

// Rules of two folders that differ in one file share what was decided by the others.
func TestRuleBooksShareWhatTheyHaveInCommon(t *testing.T) {
	other := late()
	other["invariants/many/many.rego"] = &fstest.MapFile{Data: bytes.Replace(other["invariants/many/many.rego"].Data, []byte("> 1"), []byte("> 2"), 1)}
	m, doc := NewMemory(), document("a.service", "b.service")
	for i := range doc.Units {
		doc.Units[i].Loaded.ActiveState = "failed"
		doc.Units[i].Loaded.StateChange = &doc.CollectedAt
	}
	for i, fsys := range []fstest.MapFS{late(), other, late(), other} {
		p := load(t, fsys, Options{})
		r, count := counted(p, m)
		if got, want := verdicts(t, r, doc), verdicts(t, p, doc); got != want {
			t.Errorf("it is\n%s\nwant\n%s", got, want)
		}
		if many := count.units["many"]; (many > 0) != (i < 2) {
			t.Errorf("the rule book %d was decided for %d units", i, many)
		}
	}
}

// Another setting only makes those rules decide again that read it.
func TestSettingsThatARuleDoesNotRead(t *testing.T) {
	m, doc := NewMemory(), document("a.service", "b.service")
	for _, c := range []struct {
		settings string
		again    []string
	}{
		{"restart: []", []string{"few", "many"}},
		{"restart: [a.service]", []string{"few"}},
		{"restart: [a.service], waivers: [{invariant: many, units: [a.service], reason: x, owner: y, until: 2100-01-01T00:00:00Z}]", nil},
		{"restart: [b.service]", []string{"few"}},
	} {
		fsys := late()
		fsys["settings.yaml"] = &fstest.MapFile{Data: []byte("settings: {" + c.settings + "}\n")}
		fsys["invariants/few/few.rego"] = &fstest.MapFile{Data: bytes.ReplaceAll(bytes.Replace(fsys["invariants/many/many.rego"].Data,
			[]byte("> 1"), []byte("> 1\n\tsome unit in input.units\n\tunit.name in data.settings.restart"), 1), []byte("many"), []byte("few"))}
		fsys["invariants/few/few.md"] = fsys["invariants/many/many.md"]
		p := load(t, fsys, Options{})
		r, count := counted(p, m)
		if got, want := verdicts(t, r, doc), verdicts(t, p, doc); got != want {
			t.Errorf("%q: it is\n%s\nwant\n%s", c.settings, got, want)
		}
		delete(count.units, "late")
		if got := slices.Sorted(maps.Keys(count.units)); !slices.Equal(got, c.again) {
			t.Errorf("%q: decided again are %q; want %q", c.settings, got, c.again)
		}
	}
}

// A memory that lasts keeps what each look asks for, and little else: in a day of changes it does
// not grow.
func TestALastingMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNotes(maxNotes, oldNote)
		keep := func(key string) {
			if err := n.Keep(t.Context(), map[string][]byte{key: make([]byte, 1000)}); err != nil {
				t.Fatal(err)
			}
		}
		keep("asked")
		for i := range 24 * 60 {
			time.Sleep(time.Minute)
			if found, err := n.Recall(t.Context(), []string{"asked"}); err != nil || len(found) != 1 {
				t.Fatalf("after %d minutes: %v, %v", i+1, found, err)
			}
			keep(fmt.Sprint("change ", i))
			if len(n.answers) > 10 {
				t.Fatalf("after %d minutes it has %d answers", i+1, len(n.answers))
			}
		}
	})
}

// A memory in the process is bounded, and forgets rather than being wrong.
func TestAMemoryThatIsFull(t *testing.T) {
	n := newNotes(1000, 0)
	for i := range 100 {
		if err := n.Keep(t.Context(), map[string][]byte{fmt.Sprint(i % 30): make([]byte, i)}); err != nil {
			t.Fatal(err)
		}
		size := 0
		for k, v := range n.answers {
			size += len(k) + len(v.text)
		}
		if size > 1000 || size != n.size {
			t.Fatalf("after %d answers it has %d bytes, and counts %d", i+1, size, n.size)
		}
		found, err := n.Recall(t.Context(), []string{fmt.Sprint(i % 30)})
		if err != nil || len(found) != 1 || len(found[fmt.Sprint(i%30)]) != i {
			t.Fatalf("the last answer is %v, %v", found, err)
		}
	}
	w := newWorld(t, 5)
	p := builtIn(t)
	small, _ := counted(p, newNotes(3000, 0))
	for range 10 {
		if doc := w.document(); doc != nil {
			if got, want := verdicts(t, small, doc), verdicts(t, p, doc); got != want {
				t.Errorf("it is\n%s\nwant\n%s", got, want)
			}
		}
	}
}
