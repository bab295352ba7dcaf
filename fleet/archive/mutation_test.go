package archive

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/overview"
)

// attack is one source with what an attacker made of its envelopes.
type attack struct {
	kind   string
	source fleet.Source
	key    fleet.Key
	list   []Received
	want   []overview.State // one of these is shown; more than one depends on what was hit

	refused int // envelopes that are counted as refused, at least
}

// sealedChain seals envelopes that say that all is good, a minute apart, the last at noon.
func (x *attack) sealedChain(t testing.TB, n int) {
	var prev fleet.Digest
	for i := range n {
		at := noon.Add(time.Duration(i-n+1) * time.Minute)
		data := x.seal(t, fleet.Envelope{Seq: uint64(i) + 1, Prev: prev, At: at, Beat: fleet.Beat{Audited: at, Audits: int64(i), Every: 10 * time.Minute, Mode: "observe", Policy: "sha256:p"}})
		prev = fleet.DigestOf(data)
		x.list = append(x.list, Received{x.subject(t), data, at})
	}
}

func (x *attack) seal(t testing.TB, e fleet.Envelope) []byte {
	t.Helper()
	e.Source = x.source
	data, err := x.key.Seal(e)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (x *attack) subject(t testing.TB) string {
	t.Helper()
	subject, err := x.source.Subject()
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

// at returns the digest of an envelope of the chain, and its time.
func (x *attack) at(i int) (fleet.Digest, time.Time) {
	return fleet.DigestOf(x.list[i].Data), x.list[i].At
}

// attacks are what somebody can do who has the broker, the network, or a host.
var attacks = map[string]func(testing.TB, *rand.Rand, *attack, *attack){
	"nothing": func(testing.TB, *rand.Rand, *attack, *attack) {},
	"reorder": func(_ testing.TB, r *rand.Rand, x, _ *attack) {
		r.Shuffle(len(x.list), func(i, j int) { x.list[i], x.list[j] = x.list[j], x.list[i] })
	},
	"replay": func(_ testing.TB, r *rand.Rand, x, _ *attack) {
		for range 3 {
			x.list = slices.Insert(x.list, r.IntN(len(x.list)), x.list[r.IntN(len(x.list))])
		}
	},
	"delete": func(_ testing.TB, r *rand.Rand, x, _ *attack) {
		i := r.IntN(len(x.list) - 1)
		x.list, x.want = slices.Delete(x.list, i, i+1), []overview.State{overview.Gap}
	},
	"edit": func(_ testing.TB, r *rand.Rand, x, _ *attack) {
		i := r.IntN(len(x.list) - 1)
		data := slices.Clone(x.list[i].Data)
		data[r.IntN(len(data))] ^= byte(1 + r.IntN(255))
		x.list[i].Data, x.want = data, []overview.State{overview.Gap}
	},
	"cut": func(_ testing.TB, r *rand.Rand, x, _ *attack) {
		i := r.IntN(len(x.list) - 1)
		x.list[i].Data, x.want = x.list[i].Data[:r.IntN(len(x.list[i].Data))], []overview.State{overview.Gap}
	},
	"foreign subject": func(t testing.TB, r *rand.Rand, x, other *attack) {
		i := r.IntN(len(x.list) - 1)
		x.list[i].Data, x.want = other.list[i%len(other.list)].Data, []overview.State{overview.Gap}
	},
	"stolen key": func(t testing.TB, r *rand.Rand, x, _ *attack) {
		i := r.IntN(len(x.list) - 1)
		prev, at := x.at(i)
		x.list = append(x.list, Received{x.subject(t), x.seal(t, fleet.Envelope{Seq: uint64(i) + 2, Prev: prev, At: at, Boot: "thief"}), noon})
		x.want = []overview.State{overview.Untrusted}
	},
	"another past": func(t testing.TB, r *rand.Rand, x, _ *attack) {
		_, at := x.at(len(x.list) - 1)
		x.list = append(x.list, Received{x.subject(t), x.seal(t, fleet.Envelope{Seq: uint64(len(x.list)) + 1, Prev: fleet.Digest{byte(1 + r.IntN(255))}, At: at}), noon})
		x.want = []overview.State{overview.Untrusted}
	},
	"clock ahead": func(t testing.TB, r *rand.Rand, x, _ *attack) {
		prev, _ := x.at(len(x.list) - 1)
		at := noon.Add(11*time.Minute + time.Duration(r.IntN(1e6))*time.Second)
		x.list = append(x.list, Received{x.subject(t), x.seal(t, fleet.Envelope{Seq: uint64(len(x.list)) + 1, Prev: prev, At: at, Beat: fleet.Beat{Audited: noon, Every: 10 * time.Minute}}), noon})
		x.want = []overview.State{overview.BadClock}
	},
	"clock back": func(t testing.TB, r *rand.Rand, x, _ *attack) {
		prev, _ := x.at(len(x.list) - 1)
		at := noon.Add(-11*time.Minute - time.Duration(r.IntN(1e6))*time.Second)
		x.list = append(x.list, Received{x.subject(t), x.seal(t, fleet.Envelope{Seq: uint64(len(x.list)) + 1, Prev: prev, At: at, Beat: fleet.Beat{Audited: noon, Every: 10 * time.Minute}}), noon})
		x.want = []overview.State{overview.BadClock}
	},
	"rubbish": func(_ testing.TB, r *rand.Rand, x, other *attack) {
		rubbish := slices.Clone(other.list[0].Data[:r.IntN(len(other.list[0].Data))])
		x.list = slices.Insert(x.list, r.IntN(len(x.list)), Received{x.list[0].Subject, rubbish, noon})
		x.refused = 1
	},
	"silence": func(_ testing.TB, _ *rand.Rand, x, _ *attack) {
		x.list = x.list[:1]
		x.list[0].At = noon.Add(-31 * time.Minute)
		x.want = []overview.State{overview.Silent}
	},
}

// Whatever is done to evidence between a host and the hub, it is shown; what changes nothing is
// no alarm. STACKPOLICY_LAB_EACH=1 makes 10,000 of 130.
func TestMutations(t *testing.T) {
	n := 130
	if os.Getenv("STACKPOLICY_LAB_EACH") == "1" {
		n = 10_000
	}
	hub := newHub(t)
	r := rand.New(rand.NewPCG(18, 1))
	kinds := make([]string, 0, len(attacks))
	for kind := range attacks {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	all := map[fleet.Source]*attack{}
	other := newAttack(t, hub, r, "other", 0)
	for i := range n {
		kind := kinds[i%len(kinds)]
		x := newAttack(t, hub, r, kind, i+1)
		attacks[kind](t, r, x, other)
		for len(x.list) > 0 { // in batches of any size
			k := 1 + r.IntN(len(x.list))
			if _, err := hub.Take(t.Context(), x.list[:k]); err != nil {
				t.Fatal(err)
			}
			x.list = x.list[k:]
		}
		all[x.source] = x
	}
	hub.applyAll(t, noon)
	sources, err := hub.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, row := range overview.Build(sources, noon).Sources {
		if x := all[row.Source.Source]; x != nil && (!slices.Contains(x.want, row.State) || row.Refused < x.refused) && wrong < 20 {
			wrong++
			t.Errorf("%s of %s is shown as %s, want %v: %v", x.kind, x.source.Host, row.State, x.want, row.Causes)
		}
	}
	if len(sources) != n+1 {
		t.Errorf("%d sources", len(sources))
	}
}

func newAttack(t *testing.T, hub *hub, r *rand.Rand, kind string, i int) *attack {
	t.Helper()
	key, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	x := &attack{kind: kind, source: fleet.Source{Org: "home", Host: fmt.Sprint("host", i), User: "alice"}, key: key, want: []overview.State{overview.Good}}
	hub.enroll(t, fleet.Identity{Source: x.source, Key: key.Public(), Enrolled: noon.Add(-time.Hour)})
	x.sealedChain(t, 4+r.IntN(5))
	return x
}
