package archive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// hub is one with the hosts that it enrolled, without a broker between them.
type hub struct {
	*Archive
	data     string
	keys     Keys
	registry fleet.Key
}

func newHub(t testing.TB) *hub {
	t.Helper()
	marks, err1 := fleet.NewKey()
	registry, err2 := fleet.NewKey()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	h := &hub{data: t.TempDir(), keys: Keys{marks, registry.Public()}, registry: registry}
	h.open(t)
	return h
}

func (h *hub) open(t testing.TB) {
	t.Helper()
	a, err := Open(t.Context(), h.data, h.keys, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	h.Archive = a
}

func (h *hub) enroll(t testing.TB, id fleet.Identity) {
	t.Helper()
	statement, err := h.registry.Sign(fleet.IdentityKind, id.Source, id)
	if err == nil {
		err = h.Enroll(t.Context(), id.Source, statement)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (h *hub) take(t testing.TB, at time.Time, from fleet.Source, sealed ...[]byte) {
	t.Helper()
	subject, err := from.Subject()
	if err != nil {
		t.Fatal(err)
	}
	var list []Received
	for _, data := range sealed {
		list = append(list, Received{subject, data, at})
	}
	if _, err := h.Take(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func (h *hub) applyAll(t testing.TB, at time.Time) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = h.Apply(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *hub) mark(t testing.TB, s fleet.Source, at time.Time) (w fleet.Watermark) {
	t.Helper()
	_, statement, err := h.Watermark(t.Context(), s, at)
	if err == nil {
		err = fleet.OpenStatement(fleet.WatermarkKind, s, statement, h.keys.Watermarks.Public(), &w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

type host struct {
	spool.Host
	spool *spool.Spool
	at    time.Time
}

func newHost(t testing.TB, hub *hub, name string) *host {
	t.Helper()
	home := t.TempDir()
	source := fleet.Source{Org: "home", Host: name, User: "alice"}
	key, err1 := fleet.NewKey()
	store, err2 := history.Open(t.Context(), home, noon)
	waiting, err3 := spool.Open(t.Context(), home, source, noon)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(store.Close(), waiting.Close()) })
	hub.enroll(t, fleet.Identity{Source: source, Key: key.Public(), Enrolled: noon})
	return &host{spool.Host{Source: source, Key: key, Store: store, Boot: "b", Program: "1"}, waiting, noon}
}

// audit records an audit five minutes later.
func (h *host) audit(t testing.TB, state string, cases ...string) {
	t.Helper()
	h.at = h.at.Add(5 * time.Minute)
	doc := &facts.Document{Schema: "s", Units: []facts.Unit{{Name: "web.service"}, {Name: "x" + state}}}
	a := history.Audit{At: h.at, Mode: "observe", PolicyDigest: "sha256:p", Document: doc}
	for _, c := range cases {
		a.ExitCode = 2
		a.Findings = append(a.Findings, finding.Finding{
			Invariant: "stack_running", Subject: "web.service", Effect: finding.Block, Severity: finding.Page,
			Message: c, Evidence: map[string]any{"case": c},
		})
	}
	if _, err := h.Store.Record(context.WithoutCancel(t.Context()), a); err != nil {
		t.Fatal(err)
	}
}

// seal returns the next envelope.
func (h *host) seal(t testing.TB) []byte {
	t.Helper()
	e, _, err := h.spool.Seal(t.Context(), h.Host, h.at)
	if err != nil {
		t.Fatal(err)
	}
	return e.Sealed
}

func sourceNamed(t testing.TB, h *hub, name string) (found struct {
	Newest, Applied uint64
	Missing         []fleet.Range
	Fork, Clock     string
	Refused, Open   int
	Exit            int
	Days            int
}) {
	t.Helper()
	all, err := h.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Host == name {
			found.Newest, found.Applied, found.Missing, found.Fork, found.Clock = s.Newest, s.Applied, s.Missing, s.Fork, s.Clock
			found.Refused, found.Open, found.Exit, found.Days = s.Refused, len(s.Findings), s.Beat.ExitCode, len(s.Days)
			return found
		}
	}
	t.Fatalf("%s is not among %d sources", name, len(all))
	return found
}

// remembered returns what can be read of a history.
func remembered(t testing.TB, s *history.Store) map[string]any {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	audits, err1 := s.Audits(ctx, time.Time{}, 100_000)
	findings, err2 := s.Occurrences(ctx, time.Time{}, 100_000)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	documents := map[string]*facts.Document{}
	for _, a := range audits {
		doc, err := s.Document(ctx, a.DocumentDigest, noon)
		if err != nil {
			t.Fatal(err)
		}
		documents[a.DocumentDigest] = doc
	}
	return map[string]any{"audits": audits, "findings": findings, "documents": documents}
}

func (h *hub) memory(t testing.TB, name string) map[string]any {
	t.Helper()
	all, err := h.Memories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(m Memory) bool { return m.Host == name })
	if i < 0 {
		t.Fatalf("%s has no memory", name)
	}
	store, err := history.OpenReadOnly(t.Context(), all[i].Home)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return remembered(t, store)
}

// However envelopes arrive, twice, late, with the hub restarted in between: in the end the memory
// at the hub is that of the host, nothing is missing and nothing is counted twice.
func TestTake(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			hub := newHub(t)
			web, db := newHost(t, hub, "web"), newHost(t, hub, "db")
			var late [][]byte
			for i := range 40 {
				web.audit(t, fmt.Sprint(r.IntN(4)), []string{"exited", "missing", "unhealthy"}[:r.IntN(3)]...)
				e := web.seal(t)
				if r.IntN(3) == 0 {
					late = append(late, e)
				} else {
					hub.take(t, web.at, web.Source, e, e)
				}
				if r.IntN(6) == 0 {
					db.audit(t, fmt.Sprint(i))
					hub.take(t, db.at, db.Source, db.seal(t))
				}
				if r.IntN(5) == 0 {
					hub.applyAll(t, web.at)
				}
				if r.IntN(12) == 0 {
					_ = hub.Close()
					hub.open(t)
				}
			}
			if got := sourceNamed(t, hub, "web"); len(late) > 0 && got.Newest == 40 && len(got.Missing) == 0 {
				t.Errorf("nothing is missing of %d: %+v", len(late), got)
			}
			r.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
			hub.take(t, web.at, web.Source, late...)
			hub.applyAll(t, web.at)
			got := sourceNamed(t, hub, "web")
			if got.Newest != 40 || got.Applied != 40 || len(got.Missing) != 0 || got.Fork != "" || got.Refused != 0 {
				t.Errorf("%+v", got)
			}
			for name, h := range map[string]*host{"web": web, "db": db} {
				if d := cmp.Diff(remembered(t, h.Store), hub.memory(t, name)); d != "" {
					t.Errorf("%s: -host +hub\n%s", name, d)
				}
			}
		})
	}
}

// A watermark says exactly what is on the disk.
func TestWatermark(t *testing.T) {
	hub := newHub(t)
	web := newHost(t, hub, "web")
	var sealed [][]byte
	for i := range 9 {
		web.audit(t, fmt.Sprint(i))
		sealed = append(sealed, web.seal(t))
	}
	if w := hub.mark(t, web.Source, noon); w.Newest != 0 || w.Upto != 0 {
		t.Errorf("of nothing: %+v", w)
	}
	for _, n := range []int{1, 2, 6, 4, 9} {
		hub.take(t, noon, web.Source, sealed[n-1])
	}
	w := hub.mark(t, web.Source, noon)
	want := fleet.Watermark{
		Source: web.Source, Key: web.Key.Public(), Upto: 2, Digest: fleet.DigestOf(sealed[1]), Newest: 9, Missing: []fleet.Range{{From: 3, To: 3}, {From: 5, To: 5}, {From: 7, To: 8}}, At: noon,
	}
	if d := cmp.Diff(want, w); d != "" {
		t.Error(d)
	}
	for _, n := range []int{3, 8, 5, 7} {
		hub.take(t, noon, web.Source, sealed[n-1])
	}
	w = hub.mark(t, web.Source, noon)
	if w.Upto != 9 || len(w.Missing) != 0 || w.Digest != fleet.DigestOf(sealed[8]) {
		t.Errorf("of all: %+v", w)
	}
}

// Of very many gaps only some are named, and nothing above them is said to be there.
func TestWatermarkOfManyGaps(t *testing.T) {
	hub := newHub(t)
	web := newHost(t, hub, "web")
	for i := range 2*maxRanges + 20 {
		web.audit(t, fmt.Sprint(i))
		if e := web.seal(t); i%2 == 1 {
			hub.take(t, noon, web.Source, e)
		}
	}
	w := hub.mark(t, web.Source, noon)
	if len(w.Missing) != maxRanges || w.Newest != uint64(2*maxRanges) {
		t.Errorf("%d ranges below %d", len(w.Missing), w.Newest)
	}
}

// Two stories by one key are a fork for ever, both are kept, and the host is told.
func TestFork(t *testing.T) {
	hub := newHub(t)
	web := newHost(t, hub, "web")
	web.audit(t, "a")
	first := web.seal(t)
	other, err := web.Key.Seal(fleet.Envelope{Source: web.Source, Seq: 1, At: noon, Boot: "another"})
	if err != nil {
		t.Fatal(err)
	}
	hub.take(t, noon, web.Source, first, other)
	hub.take(t, noon, web.Source, first)
	if got := sourceNamed(t, hub, "web"); got.Fork == "" {
		t.Errorf("%+v", got)
	}
	if w := hub.mark(t, web.Source, noon); w.Fork == "" {
		t.Errorf("the host is not told: %+v", w)
	}
	if err := web.spool.Acknowledge(t.Context(), hub.mark(t, web.Source, noon)); !errors.Is(err, spool.ErrCloned) {
		t.Errorf("the host goes on: %v", err)
	}
	err = hub.Verify(t.Context(), func(v Verified) error {
		if v.Forks != 1 {
			t.Errorf("%+v", v)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What is not its source's own, or comes after it was revoked, is counted and not kept; nobody
// else's is touched.
func TestRefused(t *testing.T) {
	hub := newHub(t)
	web, db := newHost(t, hub, "web"), newHost(t, hub, "db")
	web.audit(t, "a")
	db.audit(t, "a")
	own, foreign := web.seal(t), db.seal(t)
	hub.take(t, noon, web.Source, foreign, []byte("rubbish"), nil, own)
	hub.take(t, noon, fleet.Source{Org: "home", Host: "nobody", User: "x"}, own)
	if got := sourceNamed(t, hub, "web"); got.Refused != 3 || got.Newest != 1 {
		t.Errorf("%+v", got)
	}
	revoked := noon.Add(time.Hour)
	hub.enroll(t, fleet.Identity{Source: web.Source, Key: web.Key.Public(), Enrolled: noon, Revoked: &revoked})
	web.audit(t, "b")
	next := web.seal(t)
	hub.take(t, noon.Add(2*time.Hour), web.Source, next)
	if got := sourceNamed(t, hub, "web"); got.Refused != 4 || got.Newest != 1 {
		t.Errorf("after it was revoked: %+v", got)
	}
	hub.enroll(t, fleet.Identity{Source: web.Source, Key: web.Key.Public(), Enrolled: noon}) // the older statement again
	hub.take(t, noon.Add(2*time.Hour), web.Source, next)
	if got := sourceNamed(t, hub, "web"); got.Refused != 5 {
		t.Errorf("a revocation can be taken back: %+v", got)
	}
	if got := sourceNamed(t, hub, "db"); got.Refused != 0 || got.Newest != 0 {
		t.Errorf("another source: %+v", got)
	}
}

// A source that is enrolled again begins another chain with a memory of its own.
func TestEnrolledAgain(t *testing.T) {
	hub := newHub(t)
	old := newHost(t, hub, "web")
	old.audit(t, "a", "exited")
	hub.take(t, old.at, old.Source, old.seal(t))
	hub.applyAll(t, old.at)
	again := newHost(t, hub, "web")
	hub.enroll(t, fleet.Identity{Source: again.Source, Key: again.Key.Public(), Enrolled: noon.Add(time.Hour)})
	again.audit(t, "b")
	hub.take(t, again.at, again.Source, again.seal(t))
	hub.applyAll(t, again.at)
	if got := sourceNamed(t, hub, "web"); got.Newest != 1 || got.Open != 0 || got.Fork != "" {
		t.Errorf("%+v", got)
	}
	all, err := hub.Memories(t.Context())
	if err != nil || len(all) != 2 || all[0].Home == all[1].Home {
		t.Errorf("%+v, %v", all, err)
	}
}

// A gap that an operator accepted is no longer reported, but stays one; a later one is reported.
func TestAccept(t *testing.T) {
	hub := newHub(t)
	web := newHost(t, hub, "web")
	var sealed [][]byte
	for i := range 9 {
		web.audit(t, fmt.Sprint(i))
		sealed = append(sealed, web.seal(t))
	}
	hub.take(t, noon, web.Source, sealed[0], sealed[5])
	n, err := Accept(t.Context(), hub.data, hub.registry.Public(), web.Source, noon)
	if err != nil || n != 4 {
		t.Fatalf("%d, %v", n, err)
	}
	hub.take(t, noon, web.Source, sealed[7])
	got := sourceNamed(t, hub, "web")
	if d := cmp.Diff([]fleet.Range{{From: 7, To: 7}}, got.Missing); d != "" {
		t.Errorf("reported: %s", d)
	}
	if w := hub.mark(t, web.Source, noon); len(w.Missing) != 2 || w.Upto != 1 {
		t.Errorf("the host is told %+v", w)
	}
	hub.take(t, noon, web.Source, sealed[3]) // some of it arrives nevertheless
	err = hub.Verify(t.Context(), func(v Verified) error {
		want := Verified{Source: web.Source, Key: v.Key, Envelopes: 4, Newest: 8, Missing: []fleet.Range{{From: 7, To: 7}},
			Accepted: []fleet.Range{{From: 2, To: 3}, {From: 5, To: 5}}, Changed: []uint64{}}
		if d := cmp.Diff(want, v); d != "" {
			t.Errorf("verify: %s", d)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n, err := Accept(t.Context(), hub.data, hub.registry.Public(), fleet.Source{Org: "home", Host: "nobody", User: "x"}, noon); err != nil || n != 0 {
		t.Errorf("of nobody: %d, %v", n, err)
	}
}

// What is deleted or changed in the files is found when they are read again.
func TestVerify(t *testing.T) {
	for name, c := range map[string]struct {
		change string
		good   bool
	}{
		"nothing":          {"SELECT 1", true},
		"a byte":           {"UPDATE envelopes SET sealed = CAST(sealed || x'00' AS BLOB) WHERE seq = 3", false},
		"one deleted":      {"DELETE FROM envelopes WHERE seq = 3", false},
		"the last deleted": {"DELETE FROM envelopes WHERE seq = 5", false},
		"two exchanged":    {"UPDATE envelopes SET sealed = (SELECT sealed FROM envelopes e WHERE e.seq = 5 - envelopes.seq) WHERE seq IN (2, 3)", false},
	} {
		t.Run(name, func(t *testing.T) {
			hub := newHub(t)
			web := newHost(t, hub, "web")
			for i := range 5 {
				web.audit(t, fmt.Sprint(i))
				hub.take(t, web.at, web.Source, web.seal(t))
			}
			d, err := hub.shard(t.Context(), shardOf(web.Source))
			if err == nil {
				err = execute(t, d, c.change)
			}
			if err != nil {
				t.Fatal(err)
			}
			count := 0
			err = OpenReadOnly(hub.data, hub.registry.Public()).Verify(t.Context(), func(v Verified) error {
				count++
				if v.IsGood() != c.good {
					t.Errorf("%+v", v)
				}
				return nil
			})
			if err != nil || count != 1 {
				t.Errorf("%d chains, %v", count, err)
			}
		})
	}
}

// The strip has the worst of each stretch in which an audit looked, and no other.
func TestView(t *testing.T) {
	hub := newHub(t)
	web := newHost(t, hub, "web")
	web.audit(t, "a", "exited")
	hub.take(t, web.at, web.Source, web.seal(t))
	web.at = web.at.Add(3 * 24 * time.Hour)
	web.audit(t, "a")
	hub.take(t, web.at, web.Source, web.seal(t))
	hub.applyAll(t, web.at)
	all, err := hub.Sources(t.Context())
	if err != nil || len(all) != 1 || len(all[0].Days) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if d := all[0].Days; d[0].Worst != finding.LevelCritical || d[1].Worst != finding.LevelOK || !d[0].From.Before(noon.Add(5*time.Minute)) {
		t.Errorf("%+v", d)
	}
}
